"""Crops for teachers, and COCO's form that reads back as the same set."""

import json
from pathlib import Path

import numpy as np
import pytest
from dataset_writers import PRW_TRAIN, write_prw
from mmdet.datasets import ReIDDataset
from PIL import Image
from pycocotools.coco import COCO

from mmpersonsearch.cli import crop, to_coco
from mmpersonsearch.datasets import CocoPersonSearchDataset, CUHKSYSUDataset, PRWDataset
from mmpersonsearch.structures import AllImages
from mmpersonsearch.utils.errors import InputError


@pytest.fixture
def tool():
    """Runs a converter as its command line does."""

    def run(name, *args):
        {"crop": crop, "to_coco": to_coco}[name].main([str(arg) for arg in args])

    return run


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_crops_of_labelled_persons(tool, prw_root, tmp_path):
    out = tmp_path / "crops"
    tool("crop", "--dataset", "PRW", "--data-root", prw_root, "--split", "train", "--out", out)
    dataset = ReIDDataset(data_root=str(out), ann_file="train.txt", data_prefix=dict(img_path="train"))
    labels = [int(dataset.get_data_info(i)["gt_label"]) for i in range(len(dataset))]
    # PRW's numbers 3, 7 and 932, in the order of the frames; -2 is left out.
    assert labels == [1, 1, 2, 2, 0, 0]
    persons = [person for frame in PRW_TRAIN.values() for person in frame if person[0] >= 0]
    for i, (number, *_) in enumerate(persons):
        with Image.open(dataset.get_data_info(i)["img_path"]) as image:
            assert image.size == (128, 256)
            middle = np.asarray(image)[60:200, 30:100].reshape(-1, 3).mean(axis=0)
        colour = np.random.default_rng(number + 10).integers(0, 256, 3)
        np.testing.assert_allclose(middle, colour, atol=6)


def test_the_data_root_is_by_default_the_configs(tool, prw_root, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PRW_ROOT", str(prw_root))
    tool("crop", "--dataset", "PRW", "--split", "train", "--out", tmp_path / "crops")
    assert len((tmp_path / "crops/train.txt").read_text().splitlines()) == 6
    monkeypatch.setenv("PRW_ROOT", str(tmp_path / "none"))
    monkeypatch.setattr("mmpersonsearch.cli.command_line._VARIABLES", {})
    for dataset, message in (("PRW", f"PRW_ROOT is set to {tmp_path}/none"), ("COCO", "--data-root is missing")):
        with pytest.raises(SystemExit) as ended:
            tool("crop", "--dataset", dataset, "--split", "train", "--out", tmp_path / "others")
        assert ended.value.code == 2 and message in capsys.readouterr().err


def test_crops_take_the_label_of_training(tool, prw_root, tmp_path):
    tool("crop", "--dataset", "PRW", "--data-root", prw_root, "--split", "train", "--out", tmp_path / "crops")
    lines = (tmp_path / "crops" / "train.txt").read_text().splitlines()
    dataset = PRWDataset(data_root=str(prw_root))
    instances = [i for n in range(len(dataset)) for i in dataset.get_data_info(n)["instances"]]
    assert [int(line.split()[1]) for line in lines] == [i["person_id"] for i in instances if i["person_id"] >= 0]


def test_crops_are_the_same_when_cut_again(tool, cuhk_root, tmp_path):
    args = ("--dataset", "CUHK-SYSU", "--data-root", cuhk_root, "--split", "test", "--size", 64, 32)
    tool("crop", *args, "--out", tmp_path / "a")
    (tmp_path / "a" / "mine.txt").write_text("beside the crops")
    tool("crop", *args, "--out", tmp_path / "a")
    assert (tmp_path / "a" / "mine.txt").read_text() == "beside the crops"
    (tmp_path / "a" / "mine.txt").unlink()
    tool("crop", *args, "--out", tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert len(files(tmp_path / "a")) == 4 + 1 + 1  # crops, their list, the list of what was written
    # Identities 0 and 1, each in its query image and in one of the gallery.
    assert sorted(line.split()[1] for line in (tmp_path / "a" / "test.txt").read_text().splitlines()) == list("0011")


def test_crops_end_at_the_image(tool, tmp_path):
    root = write_prw(tmp_path / "set", train={"c1s1_000001": [(1, 140, 80, 60, 90), (2, 170, 10, 20, 20)]})
    tool("crop", "--dataset", "PRW", "--data-root", root, "--split", "train", "--out", tmp_path / "crops")
    (line,) = (tmp_path / "crops" / "train.txt").read_text().splitlines()
    with Image.open(tmp_path / "crops" / "train" / line.split()[0]) as image:
        colour = np.random.default_rng(11).integers(0, 256, 3)
        # All of it is the person: nothing beyond the image's edge was cut.
        np.testing.assert_allclose(np.asarray(image).reshape(-1, 3).mean(axis=0), colour, atol=12)


def test_interrupted_crops_leave_no_half_set(tool, prw_root, tmp_path):
    (prw_root / "frames" / "c1s1_000004.jpg").write_bytes(b"no image")
    with pytest.raises(SystemExit, match=r"mmpersonsearch crop: .*c1s1_000004.jpg cannot be decoded"):
        tool("crop", "--dataset", "PRW", "--data-root", prw_root, "--split", "train", "--out", tmp_path / "c")
    assert not (tmp_path / "c" / "train").exists() and not (tmp_path / "c" / "train.txt").exists()


@pytest.mark.parametrize(
    ("name", "theirs"),
    [("crop", "train/mine.jpg"), ("crop", "train.txt"), ("to_coco", "train.json")],
)
def test_what_somebody_else_put_there_stays(tool, prw_root, tmp_path, name, theirs):
    path = tmp_path / "out" / theirs
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(SystemExit, match=f"{theirs.partition('/')[0]} is not"):
        tool(name, "--dataset", "PRW", "--data-root", prw_root, "--split", "train", "--out", tmp_path / "out")
    assert {str(name): content for name, content in files(tmp_path / "out").items()} == {theirs: b"mine"}


def test_crops_of_a_split_without_identities(tool, tmp_path):
    root = write_prw(tmp_path / "set", train={"c1s1_000001": [(-2, 1, 1, 30, 60)]})
    with pytest.raises(SystemExit, match="its annotations label nobody"):
        tool("crop", "--dataset", "PRW", "--data-root", root, "--split", "train", "--out", tmp_path / "crops")


def same_protocol(ours, theirs):
    number = {image.img_id: i for i, image in enumerate(theirs.images, start=1)}
    assert len(ours.images) == len(theirs.images) and len(ours.queries) == len(theirs.queries) > 0
    for a, b in zip(ours.images, theirs.images):
        assert (a.img_id, a.camera_id) == (number[b.img_id], b.camera_id)
        np.testing.assert_array_equal(a.bboxes, b.bboxes)
        assert a.person_ids.tolist() == b.person_ids.tolist()
    for a, b in zip(ours.queries, theirs.queries):
        assert (a.img_id, a.person_id, a.camera_id) == (number[b.img_id], b.person_id, b.camera_id)
        np.testing.assert_array_equal(a.bbox, b.bbox)


def round_trip(tool, tmp_path, name, build, root, prefix):
    for split in ("train", "test"):
        tool("to_coco", "--dataset", name, "--data-root", root, "--split", split, "--out", tmp_path / "coco")
    kwargs = dict(data_root=str(root), data_prefix=dict(img_path=prefix))
    train = CocoPersonSearchDataset(ann_file=str(tmp_path / "coco/train.json"), **kwargs)
    original = build(data_root=str(root))
    assert train.metainfo["num_ids"] == original.metainfo["num_ids"]
    for i in range(len(original)):
        a, b = train.get_data_info(i), original.get_data_info(i)
        assert Path(a["img_path"]) == Path(b["img_path"])
        assert (a["instances"], a["camera_id"]) == (b["instances"], b["camera_id"])
    test = CocoPersonSearchDataset(
        ann_file=str(tmp_path / "coco/test.json"), query_file=str(tmp_path / "coco/test_queries.json"), **kwargs
    )
    original = build(data_root=str(root), split="test")
    same_protocol(test.metainfo["search_protocol"], original.metainfo["search_protocol"])
    assert test.metainfo["search_protocol"].galleries == AllImages()


def test_coco_round_trip_of_prw(tool, prw_root, tmp_path):
    round_trip(tool, tmp_path, "PRW", PRWDataset, prw_root, "frames")


def test_coco_round_trip_of_cuhk(tool, cuhk_root, tmp_path):
    round_trip(tool, tmp_path, "CUHK-SYSU", CUHKSYSUDataset, cuhk_root, "Image/SSM")


def test_coco_round_trip_of_the_real_sample(tool, samples_root, tmp_path):
    round_trip(tool, tmp_path, "PRW", PRWDataset, samples_root / "prw_sample", "frames")


def test_pycocotools_reads_what_is_written(tool, prw_root, tmp_path):
    tool("to_coco", "--dataset", "PRW", "--data-root", prw_root, "--split", "train", "--out", tmp_path)
    content = json.loads((tmp_path / "train.json").read_text())
    index = COCO(str(tmp_path / "train.json"))
    assert index.imgs == {entry["id"]: entry for entry in content["images"]}
    assert index.anns == {entry["id"]: entry for entry in content["annotations"]}


def test_what_pycocotools_reads_otherwise_is_named(tool, prw_root, tmp_path):
    tool("to_coco", "--dataset", "PRW", "--data-root", prw_root, "--split", "train", "--out", tmp_path)
    content = json.loads((tmp_path / "train.json").read_text())
    content["annotations"][1]["id"] = content["annotations"][0]["id"]
    (tmp_path / "train.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"train\.json, annotations\[0\]: pycocotools reads {.*}, expected {"):
        to_coco.check_index(tmp_path / "train.json")


def test_crops_of_cocos_form(tool, prw_root, tmp_path):
    tool("to_coco", "--dataset", "PRW", "--data-root", prw_root, "--split", "train", "--out", tmp_path / "coco")
    tool("crop", "--dataset", "PRW", "--data-root", prw_root, "--split", "train", "--out", tmp_path / "a")
    coco = ("--dataset", "COCO", "--data-root", prw_root, "--ann-file", tmp_path / "coco/train.json")
    tool("crop", *coco, "--img-prefix", "frames", "--split", "train", "--out", tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")
    with pytest.raises(SystemExit, match="ann_file is needed"):
        tool("crop", *coco[:4], "--split", "train", "--out", tmp_path / "b")


def test_crops_of_other_things_than_persons(tool, prw_root, tmp_path):
    tool("to_coco", "--dataset", "PRW", "--data-root", prw_root, "--split", "train", "--out", tmp_path / "coco")
    content = (tmp_path / "coco/train.json").read_text()
    (tmp_path / "vehicles.json").write_text(content.replace('"name": "person"', '"name": "vehicle"'))
    tool("crop", "--dataset", "PRW", "--data-root", prw_root, "--split", "train", "--out", tmp_path / "a")
    coco = ("--dataset", "COCO", "--data-root", prw_root, "--ann-file", tmp_path / "vehicles.json")
    options = (*coco, "--img-prefix", "frames", "--split", "train")
    tool("crop", *options, "--class-name", "vehicle", "--out", tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")
    with pytest.raises(SystemExit, match="vehicle"):
        tool("crop", *options, "--out", tmp_path / "b")


def test_help_says_what_cuhk_loses(tool, capsys):
    with pytest.raises(SystemExit):
        tool("to_coco", "--help")
    assert "CUHK-SYSU loses its protocol" in " ".join(capsys.readouterr().out.split())
