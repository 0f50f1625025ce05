"""Two small sets as one: identities apart, entries and samples in step, samplers, bad input."""

import numpy as np
import pytest
from dataset_writers import PRW_TRAIN
from mmengine.dataset import DefaultSampler

from mmpersonsearch.datasets import CocoPersonSearchDataset, CUHKSYSUDataset, JointPersonSearchDataset, PRWDataset
from mmpersonsearch.datasets.coco import convert_to_coco
from mmpersonsearch.datasets.samplers import IdentityPairBatchSampler
from mmpersonsearch.registry import DATASETS
from mmpersonsearch.utils.errors import InputError

LOAD = [
    dict(type="LoadSceneImage"),
    dict(type="LoadPersonSearchAnnotations"),
    dict(type="PackPersonSearchInputs"),
]


@pytest.fixture
def configs(prw_root, cuhk_root):
    return dict(
        prw=dict(type="PRWDataset", data_root=str(prw_root), pipeline=LOAD),
        cuhk=dict(type="CUHKSYSUDataset", data_root=str(cuhk_root), pipeline=LOAD),
    )


def of_split(configs, split):
    return {name: {**config, "split": split} for name, config in configs.items()}


def test_identities_are_numbered_one_set_after_the_other(configs, prw_root, cuhk_root):
    joint = DATASETS.build(dict(type="JointPersonSearchDataset", datasets=configs))
    cuhk, prw = CUHKSYSUDataset(str(cuhk_root)), PRWDataset(str(prw_root))
    assert joint.metainfo["identities"] == ["cuhk 0", "cuhk 1", "prw 3", "prw 7", "prw 932"]
    assert joint.metainfo["num_ids"] == 5 and joint.metainfo["classes"] == ("person",)
    assert len(joint) == len(cuhk) + len(prw) == 9
    sources = [("cuhk", cuhk, i, 0) for i in range(4)] + [("prw", prw, i, 2) for i in range(5)]
    seen = set()
    for index, (name, alone, i, offset) in enumerate(sources):
        expected, entry = alone.get_data_info(i), joint.get_data_info(index)
        own = [person["person_id"] for person in expected["instances"]]
        assert (entry["data_set"], entry["img_id"]) == (name, expected["img_id"])
        ids = [person["person_id"] for person in entry["instances"]]
        assert ids == [number + offset if number >= 0 else -1 for number in own]
        assert [p["bbox"] for p in entry["instances"]] == [p["bbox"] for p in expected["instances"]]
        sample = joint[index]["data_samples"]
        assert sample.gt_instances.person_ids.tolist() == ids
        assert (sample.data_set, sample.img_id) == (name, expected["img_id"])
        seen.update(ids)
    assert seen == {-1, 0, 1, 2, 3, 4}


def test_the_order_in_the_config_does_not_matter(configs):
    one, other = (JointPersonSearchDataset(dict(items)) for items in (configs.items(), reversed(configs.items())))
    assert one.metainfo == other.metainfo
    assert [one.get_data_info(i) for i in range(len(one))] == [other.get_data_info(i) for i in range(len(other))]


def test_sets_in_cocos_form_whose_numbers_are_the_same(prw_root, tmp_path):
    files = [convert_to_coco(PRWDataset(str(prw_root)), tmp_path / name)[0] for name in "ab"]
    configs = {
        name: dict(type="CocoPersonSearchDataset", ann_file=str(file), data_prefix=dict(img_path=f"{prw_root}/frames"))
        for name, file in zip("ab", files)
    }
    joint = JointPersonSearchDataset(configs)
    assert joint.metainfo["num_ids"] == 6 and joint.metainfo["identities"][2:4] == ["a 932", "b 3"]
    first, second = joint.get_data_info(0), joint.get_data_info(len(PRW_TRAIN))
    assert first["img_id"] == second["img_id"]
    for one, other in zip(first["instances"], second["instances"], strict=True):
        assert other["person_id"] == (one["person_id"] + 3 if one["person_id"] >= 0 else -1)
    alone = CocoPersonSearchDataset(**{key: value for key, value in configs["b"].items() if key != "type"})
    assert alone.metainfo["num_ids"] == 3


def test_pairs_are_of_one_set(configs):
    joint = JointPersonSearchDataset(configs)
    sampler = IdentityPairBatchSampler(DefaultSampler(joint, shuffle=True, seed=0), 2)
    pairs = np.array(list(sampler))
    assert len(pairs) == 7  # all images but c3s1_000003, which shows nobody
    for pair in pairs.tolist():
        a, b = (joint.get_data_info(i) for i in pair)
        assert a["data_set"] == b["data_set"]
        shared = {p["person_id"] for p in a["instances"]} & {p["person_id"] for p in b["instances"]}
        assert shared - {-1}


def test_a_test_split_keeps_protocols_and_numbers(configs, prw_root, cuhk_root):
    joint = JointPersonSearchDataset(of_split(configs, "test"))
    alone = dict(cuhk=CUHKSYSUDataset(str(cuhk_root), "test"), prw=PRWDataset(str(prw_root), "test"))
    assert set(joint.metainfo) == {"classes", "palette", "data_sets"}
    index = 0
    for name, one in alone.items():
        protocol, expected = (x["search_protocol"] for x in (joint.metainfo["data_sets"][name], one.metainfo))
        assert protocol.data == expected.data and len(protocol.queries) == len(expected.queries)
        assert protocol is joint.metainfo["data_sets"][name]["search_protocol"]  # which may be large: not copied
        for i in range(len(one)):
            entry, own = joint.get_data_info(index), one.get_data_info(i)
            assert entry["instances"] == own["instances"] and entry["data_set"] == name
            np.testing.assert_array_equal(entry["query_instances"]["query_ids"], own["query_instances"]["query_ids"])
            index += 1
    assert index == len(joint)


def test_gallery_sizes_are_those_of_a_set_that_has_them(configs):
    with pytest.raises(InputError, match=r"each data set has its own, datasets\.<name>\.gallery_sizes"):
        JointPersonSearchDataset(configs, gallery_sizes=(50,))
    with pytest.raises(InputError, match=r"PRWDataset has no gallery_sizes: .* such as CUHKSYSUDataset"):
        JointPersonSearchDataset(configs | {"prw": {**configs["prw"], "gallery_sizes": (50,)}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: [*c.values()], "datasets must be configs by name, got"),
        (lambda c: {}, "datasets must be configs by name, got {}"),
        (lambda c: c | {"a/b": c["prw"]}, "datasets: name 'a/b', expected letters, digits, - and _"),
        (lambda c: c | {"cuhk": dict(type="mmdet.ReIDDataset")}, "datasets.cuhk is 'mmdet.ReIDDataset', expected"),
        (lambda c: c | {"cuhk": dict(type="NoSuchDataset")}, "datasets.cuhk is 'NoSuchDataset', expected"),
        (lambda c: c | {"cuhk": 3}, "datasets.cuhk is 3, expected the config of a person search data set"),
        (lambda c: c | of_split({"prw": c["prw"]}, "test"), "same split, got {'cuhk': 'train', 'prw': 'test'}"),
        (
            lambda c: c | {"prw": c["prw"] | dict(metainfo=dict(classes=("dog",)))},
            "same class, got {'cuhk': 'person', 'prw': 'dog'}",
        ),
    ],
)
def test_bad_input_is_named(configs, change, message):
    with pytest.raises(InputError) as caught:
        JointPersonSearchDataset(change(configs))
    assert message in str(caught.value)
