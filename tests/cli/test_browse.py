import json

import numpy as np
import pytest
from dataset_writers import PRW_TRAIN, write_image
from PIL import Image

from mmpersonsearch.cli import browse as tool

# Four times as large, so that lines are small beside persons; training scenes are always flipped.
CONFIG = """
default_scope = "mmpersonsearch"
train_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="LoadPersonSearchAnnotations"),
    dict(type="mmdet.Resize", scale=(640, 480), keep_ratio=True),
    dict(type="mmdet.RandomFlip", prob=1.0),
    dict(type="PackPersonSearchInputs"),
]
test_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="mmdet.Resize", scale=(640, 480), keep_ratio=True),
    dict(type="LoadPersonSearchAnnotations", clip=False),
    dict(type="PackPersonSearchInputs"),
]
train_dataloader = dict(dataset=dict({train}, pipeline=train_pipeline))
test_dataloader = dict(dataset=dict({test}, pipeline=test_pipeline))
vis_backends = [dict(type="LocalVisBackend")]
visualizer = dict(type="PersonSearchLocalVisualizer", vis_backends=vis_backends, name="visualizer", alpha=1.0)
"""
TRUTH, QUERY = (0, 158, 115), (255, 176, 0)


@pytest.fixture
def browse(tmp_path):
    """Runs the tool and gives the pictures by name."""

    def run(dataset, split, *args):
        parts = {name: f"{dataset}, split='{name}'" for name in ("train", "test")}
        (tmp_path / "config.py").write_text(CONFIG.format(**parts))
        out = tmp_path / "out"
        tool.main([str(tmp_path / "config.py"), "--split", split, "--out", str(out), *map(str, args)])
        return {path.name: np.asarray(Image.open(path)).astype(int) for path in sorted(out.iterdir())}

    return run


def prw(root):
    return f"type='PRWDataset', data_root='{root}'"


def on_line(picture, color, x1, x2, y1, y2):
    """Share of a line, vertical or horizontal and found within 2 pixels, that has the colour."""
    part = np.abs(picture[y1 - 2 : y2 + 3, x1 - 2 : x2 + 3] - color).max(2) < 60
    return part.any(1 if y2 - y1 > x2 - x1 else 0).mean()


def test_training_scenes_are_drawn_as_flipped_and_resized(browse, prw_root):
    pictures = browse(prw(prw_root), "train")
    assert list(pictures) == [f"{i:06d}_{frame}.png" for i, frame in enumerate(PRW_TRAIN)]
    picture = pictures["000000_c1s1_000001.png"]
    assert picture.shape == (480, 640, 3)
    # The labelled person (10, 20, 30, 70), flipped: from 160 - 40 to 160 - 10, four times as large.
    assert on_line(picture, TRUTH, 480, 480, 90, 350) > 0.95
    assert on_line(picture, TRUTH, 600, 600, 90, 350) > 0.95
    # The unlabelled one (60, 10, 25, 60), dashed.
    assert 0.4 < on_line(picture, TRUTH, 300, 300, 50, 270) < 0.9
    assert 0.4 < on_line(picture, TRUTH, 400, 400, 50, 270) < 0.9
    # A scene without persons is drawn too.
    assert np.ptp(pictures["000002_c3s1_000003.png"]) < 20


def test_test_scenes_have_queries_and_all_boxes_are_resized(browse, prw_root):
    pictures = browse(prw(prw_root), "test")
    picture = pictures["000001_c2s2_000011.png"]
    # The query (90, 18, 26, 66) lies on the person's box; the unlabelled person is at (30, 22, 30, 60).
    assert on_line(picture, QUERY, 360, 360, 80, 300) > 0.95
    assert on_line(picture, QUERY, 464, 464, 80, 300) > 0.95
    assert 0.4 < on_line(picture, TRUTH, 120, 120, 95, 320) < 0.9
    assert not (np.abs(pictures["000002_c1s2_000012.png"] - QUERY).max(2) < 40).any()


def test_some_scenes_of_any_data_set(browse, cuhk_root, tmp_path):
    pictures = browse(f"type='CUHKSYSUDataset', data_root='{cuhk_root}'", "train", "--number", 2)
    assert [name[:6] for name in pictures] == ["000000", "000003"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["train_dataloader.dataset.data_root=no"], "mmpersonsearch browse: .*no"),
        (["train_dataloader=None"], "has no train_dataloader"),
        (["train_dataloader.dataset.pipeline=[]"], "gives NoneType, expected scenes"),
    ],
)
def test_bad_input_ends_in_a_message(browse, prw_root, options, message):
    with pytest.raises(SystemExit, match=message):
        browse(prw(prw_root), "train", "--cfg-options", *options)


def test_undecodable_image_is_named(browse, prw_root):
    (prw_root / "frames" / "c1s1_000001.jpg").write_bytes(b"no image")
    with pytest.raises(SystemExit, match=r"mmpersonsearch browse: .*c1s1_000001\.jpg cannot be decoded"):
        browse(prw(prw_root), "train")


def test_missing_config():
    with pytest.raises(SystemExit, match=r"config file no\.py does not exist"):
        tool.main(["no.py", "--out", "out"])


def test_images_of_one_name_keep_their_folders(tmp_path):
    images = [dict(id=i, file_name=f"cam{i}/0001.jpg") for i in (1, 2)]
    for image in images:
        write_image(tmp_path / image["file_name"])
    annotations = [dict(image_id=1, bbox=[10, 20, 30, 70], person_id=3)]
    (tmp_path / "own.json").write_text(json.dumps(dict(images=images, annotations=annotations)))
    config = f"type='CocoPersonSearchDataset', data_root='{tmp_path}', ann_file='own.json'"
    (tmp_path / "config.py").write_text(CONFIG.format(train=config, test=config))
    tool.main([str(tmp_path / "config.py"), "--out", str(tmp_path / "out")])
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["000000_cam1_0001.png", "000001_cam2_0001.png"]
