import warnings

import numpy as np
import pytest
import torch
from dataset_writers import write_image, write_prw
from mmdet.structures.bbox import HorizontalBoxes

from mmpersonsearch.datasets import LoadPersonSearchAnnotations, LoadSceneImage, PackPersonSearchInputs, PRWDataset

LOAD = [dict(type="LoadSceneImage"), dict(type="LoadPersonSearchAnnotations")]
PACK = dict(type="PackPersonSearchInputs")


def instance(box, person_id):
    return dict(bbox=box, bbox_label=0, ignore_flag=0, person_id=person_id)


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "zeros"])
def test_undecodable_image_is_named(tmp_path, damage):
    path = tmp_path / "frame.jpg"
    write_image(path)
    good = path.read_bytes()
    path.write_bytes({"cut": good[: len(good) // 2], "empty": b"", "text": b"hello", "zeros": b"\0" * 500}[damage])
    with pytest.raises(ValueError, match=f"{path} cannot be decoded as an image"):
        LoadSceneImage()(dict(img_path=str(path)))


def test_missing_image_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"frame.jpg"):
        LoadSceneImage()(dict(img_path=str(tmp_path / "frame.jpg")))


def test_undecodable_image_in_a_dataset(prw_root):
    path = prw_root / "frames" / "c2s1_000002.jpg"
    path.write_bytes(b"")
    dataset = PRWDataset(data_root=str(prw_root), pipeline=[dict(type="LoadSceneImage")])
    dataset[0]
    with pytest.raises(ValueError, match=f"{path} cannot be decoded"):
        dataset[1]


def test_identities_are_loaded_beside_boxes():
    results = dict(ori_shape=(100, 200), instances=[instance([1, 2, 30, 40], 7), instance([5, 6, 50, 60], -1)])
    results = LoadPersonSearchAnnotations()(results)
    assert results["gt_bboxes"].tensor.tolist() == [[1, 2, 30, 40], [5, 6, 50, 60]]
    assert results["gt_instances_ids"].tolist() == [7, -1] and results["gt_instances_ids"].dtype == np.int64
    assert results["gt_bboxes_labels"].tolist() == [0, 0]


def test_training_boxes_are_clipped_and_those_outside_skipped():
    instances = [instance([150, 50, 230, 130], 3), instance([200, 5, 220, 50], 4), instance([1, 2, 30, 40], 5)]
    with pytest.warns(UserWarning, match="frame: 1 boxes lie outside"):
        results = LoadPersonSearchAnnotations()(dict(ori_shape=(100, 200), instances=instances, img_path="frame"))
    assert results["gt_bboxes"].tensor.tolist() == [[150, 50, 200, 100], [1, 2, 30, 40]]
    assert results["gt_instances_ids"].tolist() == [3, 5]
    assert len(results["gt_bboxes_labels"]) == len(results["gt_ignore_flags"]) == 2


def test_the_warning_comes_once():
    load = LoadPersonSearchAnnotations()
    with pytest.warns(UserWarning):
        load(dict(ori_shape=(10, 10), instances=[instance([20, 5, 30, 8], 4)]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(dict(ori_shape=(10, 10), instances=[instance([20, 5, 30, 9], 4)]))


def test_truth_of_the_evaluation_is_not_clipped():
    results = dict(ori_shape=(100, 200), instances=[instance([150, 50, 230, 130], 3)])
    results = LoadPersonSearchAnnotations(clip=False)(results)
    assert results["gt_bboxes"].tensor.tolist() == [[150, 50, 230, 130]]


def test_image_without_persons():
    results = LoadPersonSearchAnnotations()(dict(ori_shape=(100, 200), instances=[]))
    assert results["gt_bboxes"].tensor.shape == (0, 4)
    assert results["gt_instances_ids"].shape == (0,) and results["gt_instances_ids"].dtype == np.int64


def many_persons(root, frames=4, persons=12):
    """A set whose persons tell their number by their box: identity i is i + 5 pixels wide and 40 - i high."""
    rng = np.random.default_rng(0)
    train = {
        f"c1s1_{frame:06d}": [
            (i, int(rng.integers(0, 130)), int(rng.integers(0, 80)), 5 + i, 40 - i) for i in range(persons)
        ]
        for frame in range(frames)
    }
    return write_prw(root, train=train), train


def test_sample_of_the_test_split(prw_root):
    pipeline = [
        LOAD[0],
        dict(type="mmdet.Resize", scale=(320, 240), keep_ratio=True),
        LOAD[1] | dict(clip=False),
        PACK,
    ]
    dataset = PRWDataset(data_root=str(prw_root), split="test", pipeline=pipeline)
    packed = dataset[0]
    sample = packed["data_samples"]
    assert packed["inputs"].shape == (3, 240, 320) and packed["inputs"].dtype == torch.uint8
    # Truth and queries are in pixels of the original image, which is half as wide.
    assert sample.gt_instances.bboxes.tensor.tolist() == [[12, 16, 42, 88], [70, 20, 98, 84]]
    assert sample.gt_instances.person_ids.tolist() == [11, 12]
    assert sample.query_instances.bboxes.tolist() == [[12, 16, 42, 88], [70, 20, 98, 84]]
    assert sample.query_instances.bboxes.dtype == torch.float32
    assert sample.query_instances.query_ids.tolist() == [0, 1] and sample.query_instances.query_ids.dtype == torch.int64
    assert sample.scale_factor == (2, 2) and sample.ori_shape == (120, 160)
    assert (sample.img_id, sample.camera_id) == ("c1s2_000010", 1)
    assert dataset[3]["data_samples"].query_instances.bboxes.shape == (0, 4)


def test_training_image_without_persons(prw_root):
    packed = PRWDataset(data_root=str(prw_root), pipeline=[*LOAD, dict(type="mmdet.RandomFlip", prob=1.0), PACK])[2]
    instances = packed["data_samples"].gt_instances
    assert instances.bboxes.tensor.shape == (0, 4) and instances.person_ids.shape == (0,)
    assert instances.person_ids.dtype == torch.int64
    assert "query_instances" not in packed["data_samples"]


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_identities_stay_with_their_boxes_through_flip_and_resize(tmp_path, flip):
    root, train = many_persons(tmp_path)
    resize = dict(type="mmdet.Resize", scale=(320, 240), keep_ratio=True)
    pipeline = [*LOAD, resize, dict(type="mmdet.RandomFlip", prob=flip), PACK]
    dataset = PRWDataset(data_root=str(root), pipeline=pipeline)
    for i, persons in enumerate(train.values()):
        instances = dataset[i]["data_samples"].gt_instances
        expected = {}
        for person, x, y, w, h in persons:
            x1, x2, y1, y2 = 2 * x, 2 * min(x + w, 160), 2 * y, 2 * min(y + h, 120)
            expected[person] = [320 - x2, y1, 320 - x1, y2] if flip else [x1, y1, x2, y2]
        assert dict(zip(instances.person_ids.tolist(), instances.bboxes.tensor.tolist())) == expected


def test_identities_stay_with_their_boxes_through_crops(tmp_path):
    root, train = many_persons(tmp_path, frames=6)
    crop = dict(type="mmdet.RandomCrop", crop_size=(60, 60), allow_negative_crop=True)
    dataset = PRWDataset(data_root=str(root), pipeline=[*LOAD, crop, PACK])
    np.random.seed(0)
    lost = 0
    for i, persons in enumerate(train.values()):
        instances = dataset[i]["data_samples"].gt_instances
        lost += len(persons) - len(instances)
        for person, box in zip(instances.person_ids.tolist(), instances.bboxes.tensor.tolist()):
            x1, y1, x2, y2 = box
            # A box that the crop does not touch still has its identity's size.
            if x1 > 0 and y1 > 0 and x2 < 60 and y2 < 60:
                _, x, y, w, h = persons[person]
                assert (x2 - x1, y2 - y1) == (min(x + w, 160) - x, min(y + h, 120) - y)
    assert lost > 10, "the crops lost hardly a box: the test shows nothing"


def test_filtered_boxes_do_not_pass_with_all_identities(tmp_path):
    root, _ = many_persons(tmp_path, frames=1)
    keep_large = dict(type="mmdet.FilterAnnotations", min_gt_bbox_wh=(8, 8))
    dataset = PRWDataset(data_root=str(root), pipeline=[*LOAD, keep_large, PACK])
    with pytest.raises(ValueError, match=r"c1s1_000000.jpg: .*'gt_instances_ids': 12.*FilterAnnotations"):
        dataset[0]


def test_ignored_persons_keep_their_identity():
    results = dict(
        img=np.zeros((8, 8, 3), np.uint8),
        gt_bboxes=HorizontalBoxes(torch.arange(12.0).reshape(3, 4)),
        gt_bboxes_labels=np.zeros(3, np.int64),
        gt_instances_ids=np.array([4, 5, 6]),
        gt_ignore_flags=np.array([False, True, False]),
    )
    sample = PackPersonSearchInputs()(results)["data_samples"]
    assert sample.gt_instances.person_ids.tolist() == [4, 6]
    assert sample.ignored_instances.person_ids.tolist() == [5]


def test_crops_of_one_size_stack_to_a_batch():
    from mmpersonsearch.datasets.transforms import PackReIDCrop

    image = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(4, 2, 3)
    keys = dict(img_path="a.jpg", ori_shape=(4, 2), img_shape=(4, 2), scale=(2, 4), scale_factor=(1, 1))
    packed = PackReIDCrop()(dict(img=image, gt_label=np.array(7), **keys))
    assert packed["inputs"].tolist() == image.transpose(2, 0, 1).tolist()
    assert packed["data_samples"].gt_label.label.tolist() == [7]
