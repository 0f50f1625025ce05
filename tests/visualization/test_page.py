import numpy as np
import pytest
from PIL import Image

from mmpersonsearch.visualization.page import crop_box, draw_boxes, fit, open_scene


def test_scenes_are_turned_as_the_camera_says(tmp_path):
    """As OpenCV does, which the models' images are read by; boxes are in pixels of the turned image."""
    pixels = np.zeros((20, 40, 3), dtype=np.uint8)
    pixels[:, :20, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to view
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif, quality=95)
    turned = np.asarray(open_scene(tmp_path / "a.jpg"))
    assert turned.shape == (40, 20, 3)
    assert turned[:18, :, 0].min() > 200 and turned[22:, :, 0].max() < 50


def test_files_that_are_no_images_are_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"a\.jpg cannot be decoded"):
        open_scene(tmp_path / "a.jpg")
    with pytest.raises(FileNotFoundError, match=r"b\.jpg"):
        open_scene(tmp_path / "b.jpg")


@pytest.mark.parametrize("shape", [(30, 90), (90, 30), (1, 500), (300, 200)])
def test_fitting_keeps_proportions(shape):
    fitted = fit(Image.new("RGB", shape), (120, 60))
    assert fitted.width <= 120 and fitted.height <= 60
    assert fitted.width == 120 or fitted.height == 60
    assert abs(fitted.width * shape[1] - fitted.height * shape[0]) <= max(shape)


def test_crops_are_what_the_box_covers():
    image = Image.fromarray(np.arange(60, dtype=np.uint8).reshape(6, 10))
    assert np.asarray(crop_box(image, np.array([2.0, 1, 5, 4]))).tolist() == [[12, 13, 14], [22, 23, 24], [32, 33, 34]]
    assert crop_box(image, np.array([-5.0, -5, 50, 50])).size == (10, 6)
    assert crop_box(image, np.array([30.0, 30, 40, 40])).size == (1, 1)


@pytest.mark.parametrize("dashed", [False, True])
@pytest.mark.parametrize("width", [1, 3])
def test_boxes_do_not_hide_what_they_hold(width, dashed):
    image = Image.new("RGB", (60, 50), (9, 9, 9))
    draw_boxes(image, np.array([[20, 15, 30, 35]]), (200, 0, 0), width, dashed)
    pixels = np.asarray(image)
    assert (pixels[16:34, 21:29] == 9).all()
    # Above the box: a line of the width, and a light edge around it.
    column = pixels[:, 20]
    assert (pixels[15 - width - 1, 20:30] >= 200).all() and (column[: 15 - width - 1] == 9).all()
    share = (pixels[15 - width : 15, 20:30] == (200, 0, 0)).all(2).mean()
    assert (0.2 < share < 0.9) if dashed else share == 1


@pytest.mark.parametrize("bbox", [(-50, -50, 500, 500), (300, 300, 400, 400), (10, 10, 10, 10), (-9, 5, -2, 20)])
def test_boxes_outside_the_image_are_drawn_at_its_edge(bbox):
    image = Image.new("RGB", (60, 50))
    draw_boxes(image, np.array([bbox]), (200, 0, 0), dashed=True)
    draw_boxes(image, np.array([bbox]), (200, 0, 0))
    assert (np.asarray(image) == (200, 0, 0)).all(2).any()
