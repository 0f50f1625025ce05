"""Tools that make clothes masks and faces of a data set."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from projects.deskpro.deskpro import ClothesChangingDataset
from projects.deskpro.deskpro.faces import cut_face, mtcnn
from projects.deskpro.deskpro.label_sets import LABELS, WORN, cloth_mask

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "projects/deskpro/tools"))

import arrange_prcc
import make_faces
import make_masks

USER_CODE = """
import numpy as np
from PIL import Image

seen = []

def parse(path):
    seen.append(path)
    width, height = Image.open(path).size
    return np.arange(height)[:, None].repeat(width, 1) % 20

def small(path):
    return np.zeros((4, 4), int)

def detect(image):
    if image[0, 0, 0] > 128:
        return np.empty((0, 5))
    return [[4, 2, 8, 6, 0.95], [1, 1, 3, 3, 0.5]]

def restore(face):
    return np.repeat(np.repeat(face, 2, 0), 2, 1)

def gray(face):
    return face[..., 0]

number = 3
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A set with bodies alone, and a module of a user in the working folder."""
    for split, names in {"bounding_box_train": ("1_c1_0.jpg", "1_c2_0.png"), "query": ("2_c1_0.png",)}.items():
        folder = tmp_path / "set/imgs" / split
        folder.mkdir(parents=True)
        for name in names:
            Image.new("RGB", (10, 24), (200 if "c2" in name else 40, 90, 30)).save(folder / name)
    (tmp_path / "user_code.py").write_text(USER_CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "user_code", raising=False)
    yield tmp_path / "set"
    sys.modules.pop("user_code", None)


def test_clothes_of_each_label_set_by_hand():
    lip = np.arange(20).reshape(4, 5)
    clothes = {1, 3, 5, 6, 7, 8, 9, 10, 11, 12, 18, 19}
    np.testing.assert_array_equal(cloth_mask(lip, "LIP"), [[0 if i in clothes else 255 for i in row] for row in lip])
    assert np.flatnonzero(cloth_mask(np.arange(18)[None], "ATR")[0] == 0).tolist() == [1, 4, 5, 6, 7, 8, 9, 10, 16, 17]
    assert cloth_mask(np.arange(7)[None], "Pascal-Person-Part").tolist() == [[255, 255, 0, 0, 255, 0, 0]]
    assert all(WORN[name] < set(labels) and len(set(labels)) == len(labels) for name, labels in LABELS.items())


@pytest.mark.parametrize(
    ("labels", "label_set", "words"),
    [
        (np.zeros((2, 2), int), "ADE", "label set must be one of .*got 'ADE'"),
        (np.full((2, 2), 20), "LIP", "LIP has the labels 0 to 19, the map has 20 to 20"),
        (np.full((2, 2), -1), "LIP", "the map has -1 to -1"),
        (np.zeros((2, 2)), "LIP", r"expected a parsing map .* got float64 of shape \(2, 2\)"),
        (np.zeros((1, 2, 2), int), "LIP", r"of shape \(1, 2, 2\)"),
    ],
)
def test_wrong_maps_are_named(labels, label_set, words):
    with pytest.raises(ValueError, match=words):
        cloth_mask(labels, label_set)


def test_masks_lie_where_the_data_set_reads_them(root, capsys):
    arguments = [str(root), "--parser", "user_code:parse", "--labels", "LIP"]
    make_masks.main(arguments)
    assert "2 masks" in capsys.readouterr().out
    expected = cloth_mask(np.arange(24)[:, None].repeat(10, 1) % 20, "LIP")
    for name in ("1_c1_0.jpg", "1_c2_0.png"):
        with Image.open(root / "mask/bounding_box_train" / name) as mask:
            assert ((np.asarray(mask) < 128) == (expected == 0)).all()
    assert not (root / "mask/query").exists()
    dataset = ClothesChangingDataset(root, load_masks=True)
    assert len(dataset) == 2 and all(dataset.get_data_info(i)["mask_path"] for i in range(2))
    make_masks.main([*arguments, "--splits", "bounding_box_train", "query"])
    assert "1 masks" in capsys.readouterr().out and len(sys.modules["user_code"].seen) == 3  # those there are kept


@pytest.mark.parametrize(
    ("parser", "words"),
    [
        ("parse", "--parser parse: expected module:function"),
        ("nothing_here:parse", "there is no module nothing_here"),
        ("user_code:none", "user_code has no function none"),
        ("user_code:number", "user_code has no function number"),
        ("user_code:small", r"1_c1_0.jpg: an image of \(10, 24\) pixels, the map has \(4, 4\)"),
    ],
)
def test_wrong_parsers_are_named(root, parser, words, capsys):
    with pytest.raises(SystemExit, match=words):
        make_masks.main([str(root), "--parser", parser, "--labels", "ATR"])
    assert not (root / "mask").exists()


def test_sets_without_images_are_named(tmp_path):
    for words in (r"imgs/query does not exist", r"imgs/query has no images"):
        with pytest.raises(SystemExit, match=words):
            make_faces.main([str(tmp_path), "--detector", "user_code:detect", "--splits", "query"])
        (tmp_path / "imgs/query").mkdir(parents=True, exist_ok=True)


def test_a_face_is_a_square_about_the_best_box():
    image = np.arange(20 * 30 * 3).reshape(20, 30, 3).astype(np.uint8)
    faces = [[3, 4, 9, 12, 0.93], [10, 2, 14, 6, 0.97]]
    np.testing.assert_array_equal(cut_face(image, faces, margin=0), image[2:6, 10:14])
    np.testing.assert_array_equal(cut_face(image, faces[:1], margin=0), image[4:12, 2:10])  # 8 x 8 about (6, 8)
    np.testing.assert_array_equal(cut_face(image, faces, margin=0.25), image[1:7, 9:15])
    corner = cut_face(image, [[-2, -2, 4, 4, 1.0]], margin=0)
    assert corner.shape == (6, 6, 3) and not corner[:2].any() and not corner[:, :2].any()
    np.testing.assert_array_equal(corner[2:, 2:], image[:4, :4])
    assert cut_face(image, faces, min_score=0.98) is cut_face(image, []) is cut_face(image, [[3, 3, 3, 9, 1]]) is None
    for wrong in ([[1, 2, 3, 4]], [[1, 2, np.nan, 4, 1]]):
        with pytest.raises(ValueError, match="expected the detector to give"):
            cut_face(image, wrong)


def test_faces_are_plain_without_a_restorer_and_images_without_one_have_no_file(root, capsys):
    make_faces.main([str(root), "--detector", "user_code:detect", "--splits", "bounding_box_train", "query"])
    out = capsys.readouterr().out
    assert "the face teacher sees no more than its student" in out and "A face in 2 of 3 images, 0 had one" in out
    for folder in ("lr_face", "hr_face"):
        files = {str(path.relative_to(root / folder)) for path in (root / folder).rglob("*.*")}
        assert files == {"bounding_box_train/1_c1_0.jpg", "query/2_c1_0.png"}
        assert Image.open(root / folder / "query/2_c1_0.png").size == (6, 6)  # 4 pixels and a fifth of it on each side
    make_faces.main([str(root), "--detector", "user_code:detect", "--splits", "query"])
    assert "A face in 0 of 0 images, 1 had one before" in capsys.readouterr().out


def test_a_split_in_which_nobody_shows_a_face_has_its_folders(root):
    for path in (root / "imgs/query").iterdir():
        Image.new("RGB", (10, 24), (200, 90, 30)).save(path)
    make_faces.main([str(root), "--detector", "user_code:detect", "--splits", "query"])
    assert all(list((root / folder / "query").iterdir()) == [] for folder in ("lr_face", "hr_face"))


def test_a_restorer_makes_the_teachers_faces(root, capsys):
    arguments = [str(root), "--detector", "user_code:detect", "--splits", "query", "--restorer"]
    with pytest.raises(SystemExit, match=r"2_c1_0.png: --restorer gave uint8 \(6, 6\), expected uint8 \(h, w, 3\)"):
        make_faces.main([*arguments, "user_code:gray"])
    make_faces.main([*arguments, "user_code:restore"])
    assert "teacher" not in capsys.readouterr().out
    sizes = [Image.open(root / folder / "query/2_c1_0.png").size for folder in ("lr_face", "hr_face")]
    assert sizes == [(6, 6), (12, 12)]


def test_mtcnn_finds_a_real_face():
    pytest.importorskip("facenet_pytorch", reason="needs facenet-pytorch (pip install --no-deps facenet-pytorch)")
    data = pytest.importorskip("skimage.data", reason="needs scikit-image's picture of an astronaut")
    image = data.astronaut()
    (best, *_) = sorted(mtcnn()(image), key=lambda face: -face[4])
    x, y = (best[0] + best[2]) / 2, (best[1] + best[3]) / 2
    assert best[4] > 0.99 and abs(x - 222) < 15 and abs(y - 110) < 20  # her face
    assert 60 < cut_face(image, best[None]).shape[0] < 160
    assert cut_face(image, mtcnn()(image[300:])) is None  # her suit


@pytest.mark.skipif(importlib.util.find_spec("facenet_pytorch") is not None, reason="facenet-pytorch is installed")
def test_without_a_detector_the_tool_says_what_to_install(root):
    with pytest.raises(SystemExit, match="pip install --no-deps facenet-pytorch, or name a --detector"):
        make_faces.main([str(root), "--splits", "query"])


def write_prcc(rgb):
    names = ("train/001/A_cropped_rgb001.jpg", "train/001/C_cropped_rgb002.jpg", "val/001/B_cropped_rgb003.jpg")
    for i, name in enumerate((*names, *(f"test/{camera}/002/cropped_rgb004.jpg" for camera in "ABC"))):
        (rgb / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (10, 24), (30 * i, 0, 0)).save(rgb / name)
    return rgb


def test_prcc_is_arranged(tmp_path, monkeypatch, capsys):
    rgb, root = write_prcc(tmp_path / "rgb"), tmp_path / "prcc"
    arrange_prcc.main([str(rgb), str(root)])
    assert sorted(str(path.relative_to(root / "imgs")) for path in root.rglob("*.jpg")) == [
        "bounding_box_test/002_cA_cropped_rgb004.jpg", "bounding_box_train/001_cA_cropped_rgb001.jpg",
        "bounding_box_train/001_cC_cropped_rgb002.jpg", "query/002_cB_cropped_rgb004.jpg",
        "query/002_cC_cropped_rgb004.jpg",
    ]  # fmt: skip
    linked = root / "imgs/query/002_cB_cropped_rgb004.jpg"
    assert linked.samefile(rgb / "test/B/002/cropped_rgb004.jpg")
    test = ClothesChangingDataset(str(root), split="test", same_clothes_cameras=((1, 2),))
    assert [(one["person_id"], one["camera_id"], one["is_query"]) for one in map(test.get_data_info, range(3))] == [
        (2, 2, True), (2, 3, True), (2, 1, False)
    ]  # fmt: skip
    linked.unlink()
    monkeypatch.setattr("os.link", lambda *paths: (_ for _ in ()).throw(OSError("another file system")))
    capsys.readouterr()
    arrange_prcc.main([str(rgb), str(root)])
    assert "4 there already" in (text := capsys.readouterr().out) and "1 copied" in text
    assert linked.read_bytes() == (rgb / "test/B/002/cropped_rgb004.jpg").read_bytes()


def test_prcc_in_another_form_is_named(tmp_path, capsys):
    rgb, root = write_prcc(tmp_path / "rgb"), tmp_path / "prcc"
    other = root / "imgs/query/002_cB_cropped_rgb004.jpg"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"mine")
    for make, words in (
        (lambda: None, f"{other} is there already, and is not {rgb}/test/B/002/cropped_rgb004.jpg"),
        (lambda: (rgb / "test/A/002/cropped_rgb004.jpg").rename(rgb / "test/A/x.jpg"), "expected .*<camera>/<person>/"),
    ):
        make()
        with pytest.raises(SystemExit) as ended:
            arrange_prcc.main([str(rgb), str(root)])
        assert ended.value.code == 2 and re.search(words, capsys.readouterr().err)
    assert other.read_bytes() == b"mine"
