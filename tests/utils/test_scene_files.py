"""One reader of scenes: what a camera turned is turned the same for models, crops, files and pictures."""

import json

import numpy as np
import pytest
from PIL import Image

from mmpersonsearch.cli import browse, crop
from mmpersonsearch.datasets import CocoPersonSearchDataset
from mmpersonsearch.datasets.checks import read_images
from mmpersonsearch.datasets.coco import convert_to_coco
from mmpersonsearch.registry import TRANSFORMS
from mmpersonsearch.structures import Query, RankingList, SearchProtocol
from mmpersonsearch.utils.scene_files import names_below, open_scene, scene_size
from mmpersonsearch.visualization import draw_ranking

PERSON = (10, 60, 40, 130)  # xyxy in the turned image, 80 x 160
RED = (200, 30, 30)


def write_scene(path, orientation=1):
    """Writes a picture of 80 x 160 with a red person as a camera does that was held otherwise."""
    upright = Image.new("RGB", (80, 160), (90, 90, 90))
    upright.paste(RED, PERSON)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    stored.save(path, exif=exif, **(dict(quality=95, subsampling=0) if path.suffix == ".jpg" else {}))


def red_box(pixels):
    """xyxy of what is red."""
    ys, xs = np.nonzero(np.abs(np.asarray(pixels).astype(int) - RED).max(-1) < 40)
    return [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_scenes_are_read_as_models_read_them(tmp_path, orientation, suffix):
    path = tmp_path / f"a.{suffix}"
    write_scene(path, orientation)
    image = open_scene(path)
    assert image.size == scene_size(path) == read_images([str(path)], 0)[str(path)].size == (80, 160)
    np.testing.assert_allclose(red_box(image), PERSON, atol=1)
    loaded = TRANSFORMS.build(dict(type="LoadSceneImage"))(dict(img_path=str(path)))["img"]
    np.testing.assert_allclose(np.asarray(image).astype(int), loaded[..., ::-1], atol=3)


@pytest.mark.parametrize("suffix", ["webp", "png"])
def test_what_opencv_and_pillow_read_differently_is_read_as_models_read_it(tmp_path, suffix):
    """OpenCV does not rotate WebP, and takes the upper 8 of 16 bits."""
    path = tmp_path / f"a.{suffix}"
    if suffix == "webp":
        write_scene(path, 6)
    else:
        Image.fromarray(np.linspace(0, 65535, 60 * 40).reshape(40, 60).astype(np.uint16)).save(path)
    loaded = TRANSFORMS.build(dict(type="LoadSceneImage"))(dict(img_path=str(path)))["img"][..., ::-1]
    size = loaded.shape[1::-1]
    assert open_scene(path).size == scene_size(path) == read_images([str(path)], 0)[str(path)].size == size
    np.testing.assert_allclose(np.asarray(open_scene(path)).astype(int), loaded, atol=1)


@pytest.fixture
def root(tmp_path):
    """A data set of one turned scene with a person, and one box that lies outside the turned image."""
    write_scene(tmp_path / "a.jpg", 6)
    annotations = [
        dict(id=1, image_id=1, bbox=[10, 60, 30, 70], person_id=4),
        dict(id=2, image_id=1, bbox=[100, 10, 50, 30], person_id=5),  # inside the image as it is stored
    ]
    content = dict(images=[dict(id=1, file_name="a.jpg")], annotations=annotations)
    (tmp_path / "train.json").write_text(json.dumps(content))
    return tmp_path


PIPELINE = [
    dict(type=f"{step}") for step in ("LoadSceneImage", "LoadPersonSearchAnnotations", "PackPersonSearchInputs")
]


def test_a_turned_scene_in_training(root):
    dataset = CocoPersonSearchDataset(str(root), "train.json", pipeline=PIPELINE)
    with pytest.warns(UserWarning, match=r"a\.jpg: 1 boxes lie outside the image and are skipped in training"):
        packed = dataset[0]
    assert packed["data_samples"].gt_instances.bboxes.tensor.tolist() == [[*PERSON]]
    np.testing.assert_allclose(red_box(packed["inputs"].permute(1, 2, 0).numpy()[..., ::-1]), PERSON, atol=1)


def test_a_turned_scene_in_crops(root):
    arguments = ["--dataset", "COCO", "--data-root", str(root), "--ann-file", "train.json", "--split", "train"]
    with pytest.warns(UserWarning, match=r"1 boxes lie outside their image and have no crop, the first in .*a\.jpg"):
        crop.main([*arguments, "--out", str(root / "crops"), "--size", "70", "30"])
    (cut,) = (root / "crops" / "train").iterdir()
    with Image.open(cut) as image:
        assert np.abs(np.asarray(image)[3:-3, 3:-3].astype(int) - RED).max() < 12


def test_a_turned_scene_in_cocos_form(root):
    convert_to_coco(CocoPersonSearchDataset(str(root), "train.json"), root / "coco")
    written = json.loads((root / "coco" / "train.json").read_text())
    assert [(one["width"], one["height"]) for one in written["images"]] == [(80, 160)]
    assert [one["bbox"] for one in written["annotations"]] == [[10, 60, 30, 70], [100, 10, 50, 30]]


@pytest.mark.filterwarnings("ignore:.*boxes lie outside the image")
def test_a_turned_scene_as_drawn_by_browse(root):
    (root / "config.py").write_text(
        f"""default_scope = "mmpersonsearch"
train_dataloader = dict(dataset=dict(type="CocoPersonSearchDataset", data_root={str(root)!r}, ann_file="train.json",
    pipeline={PIPELINE!r}))
visualizer = dict(type="PersonSearchLocalVisualizer", name="visualizer", alpha=1.0)
"""
    )
    browse.main([str(root / "config.py"), "--out", str(root / "drawn")])
    with Image.open(root / "drawn" / "000000_a.png") as image:
        drawn = np.asarray(image.convert("RGB")).astype(int)
    assert drawn.shape[:2] == (160, 80)
    green = np.abs(drawn - (0, 158, 115)).max(2) < 60
    assert green[75:130, 7:14].any(1).mean() > 0.9 and green[75:130, 36:44].any(1).mean() > 0.9


def test_a_turned_scene_beside_its_query(root):
    (scene,) = CocoPersonSearchDataset(str(root), "train.json").read_training()
    protocol = SearchProtocol([scene], [Query(scene.img_id, scene.bboxes[0], 4)])
    ranked = RankingList(
        0, np.array([0]), scene.bboxes[:1], np.ones(1), np.ones(1, bool), [scene.bboxes[0]], [scene.bboxes[:0]]
    )
    figure = draw_ranking(protocol, [ranked], lambda _: open_scene(root / "a.jpg"))
    crops = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert len(crops) == 2 and all(one.shape[:2] == (70, 30) for one in crops)
    assert all(np.abs(one[3:-3, 3:-3].astype(int) - RED).max() < 12 for one in crops)


def test_names_keep_the_folders_that_differ():
    paths = ["data/own/cam1/0001.jpg", "data/own/cam2/../cam2/0001.jpg", "data/own/0001.jpg"]
    assert list(names_below(paths).values()) == ["cam1/0001.jpg", "cam2/0001.jpg", "0001.jpg"]
    assert list(names_below(paths[:1]).values()) == ["0001.jpg"] and names_below([]) == {}
