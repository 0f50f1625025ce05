"""Image files that are cut off, empty, turned by EXIF, of another size, or in two splits."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from mmpersonsearch.datasets.checks import Split, check_images, read_images
from mmpersonsearch.datasets.checks.images import read_image
from mmpersonsearch.utils.faults import ERROR, WARNING, Faults

NOISE = (np.random.default_rng(0).integers(0, 256, (60, 80, 3)) // 2 + 60).astype(np.uint8)
NAN = (np.nan, np.nan)


def encoded(kind, orientation=1, **kwargs):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = io.BytesIO()
    Image.fromarray(NOISE).save(content, kind, exif=exif, **kwargs)
    return content.getvalue()


FILES = {
    "baseline": encoded("JPEG"),
    "progressive": encoded("JPEG", progressive=True),
    "gray": (lambda c: (Image.fromarray(NOISE[..., 0]).save(c, "JPEG"), c.getvalue())[1])(io.BytesIO()),
    "png": encoded("PNG"),
}


@pytest.mark.parametrize("padding", [0, 3000], ids=["cut", "zeros"])
@pytest.mark.parametrize("name", FILES)
def test_an_image_cut_anywhere_is_found(name, padding, tmp_path):
    whole, path = FILES[name], tmp_path / "image"
    path.write_bytes(whole)
    assert read_image(str(path))[:3] == ("", (80, 60), 1)
    for length in (0, 1, 20, *np.linspace(100, len(whole) - 30, 15).astype(int), *range(len(whole) - 14, len(whole))):
        path.write_bytes(whole[:length] + bytes(padding))
        assert read_image(str(path)).error, length


def test_opencv_reads_the_cut_jpeg_without_a_word(tmp_path):
    """What makes the check necessary."""
    path = tmp_path / "cut.jpg"
    path.write_bytes(FILES["baseline"][:-500])
    assert cv2.imread(str(path)).shape == NOISE.shape
    assert "truncated" in read_image(str(path)).error


def test_bytes_after_the_end_and_previews_inside_are_no_fault(tmp_path):
    (tmp_path / "a.jpg").write_bytes(FILES["baseline"] + b"camera's notes" + bytes(100))
    assert not read_image(str(tmp_path / "a.jpg")).error
    # A preview in EXIF has an end of its own, which is not the image's.
    exif = b"\xff\xe1" + (len(FILES["baseline"]) + 2).to_bytes(2, "big") + FILES["baseline"]
    path = tmp_path / "b.jpg"
    path.write_bytes(FILES["baseline"][:2] + exif + FILES["baseline"][2:])
    assert not read_image(str(path)).error
    path.write_bytes(path.read_bytes()[:-2] + bytes(2000))
    assert read_image(str(path)).error


@pytest.mark.parametrize("orientation", [1, 2, 3, 5, 6, 8])
def test_sizes_are_those_of_opencv(orientation, tmp_path):
    path = tmp_path / "image.jpg"
    path.write_bytes(encoded("JPEG", orientation))
    image = read_image(str(path))
    assert image.orientation == orientation
    assert image.size == cv2.imread(str(path)).shape[1::-1]


def split_of(place, paths, sizes=None, training=False):
    sizes = np.array(sizes or [NAN] * len(paths), dtype=float)
    none = np.empty(0, np.int64)
    return Split(place, training, paths, [str(path) for path in paths], sizes, none, np.empty((0, 4)), none)


def lines_of(*splits, decode=True):
    faults = Faults()
    check_images(splits, read_images([p for s in splits for p in s.paths], workers=0) if decode else {}, faults)
    return faults.lines(ERROR), faults.lines(WARNING)


def test_sizes_that_are_not_the_annotated_ones(tmp_path):
    paths = [tmp_path / f"{i}.jpg" for i in range(4)]
    for path, orientation in zip(paths, (1, 1, 6, 6)):
        path.write_bytes(encoded("JPEG", orientation))
    split = split_of("train", paths, [(80, 60), (60, 80), (80, 60), (50, 50)], training=True)
    errors, warnings = lines_of(split)
    assert errors == [
        f"train: images of another size than annotated (2): {paths[1]} (80 x 60, annotated as 60 x 80), "
        f"{paths[3]} (60 x 80, annotated as 50 x 50)"
    ]
    assert warnings == [
        "train: images that EXIF turns when they are loaded: boxes have to fit the turned image (2): "
        f"{paths[2]} (orientation 6), {paths[3]} (orientation 6)"
    ]
    assert split.sizes.tolist() == [[80, 60], [80, 60], [60, 80], [60, 80]]


def test_images_in_training_and_test(tmp_path):
    paths = [tmp_path / f"{i}.jpg" for i in range(3)]
    for path, name in zip(paths, ("baseline", "baseline", "gray")):
        path.write_bytes(FILES[name])
    train = split_of("train", paths[:1], training=True)
    assert lines_of(train, split_of("test", paths)) == (
        [],
        [
            f"test: images that are also in the training split (1): {paths[0]}",
            f"test: images whose content is also in the training split (1): {paths[1]}",
        ],
    )
    assert len(lines_of(train, split_of("test", paths), decode=False)[1]) == 1
    assert lines_of(train, split_of("test", paths[2:])) == ([], [])


def test_several_processes_find_the_same(tmp_path):
    for i in range(5):
        (tmp_path / f"{i}.jpg").write_bytes(FILES["baseline"][: 2000 * i])
    paths = [str(tmp_path / f"{i}.jpg") for i in range(6)]
    assert repr(read_images(paths, 2)) == repr(read_images(paths, 0))
