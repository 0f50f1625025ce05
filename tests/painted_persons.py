"""Painted persons: bright rectangles on black, which a fake detector finds and a fake Re-ID model tells apart.

They are a two-step model of exported networks, so that everything around the networks is the real thing.
"""

import cv2
import numpy as np
from PIL import Image

COLORS = dict(  # RGB: identities by name
    red=(250, 20, 20), green=(20, 250, 20), blue=(20, 20, 250), yellow=(250, 250, 20), pink=(250, 20, 250)
)  # fmt: skip


class PaintedNetwork:
    """An onnxruntime session: the detector where images are larger than crops, else the Re-ID model."""

    type, name = "tensor(float)", "images"

    def __init__(self, path):
        self.is_detector = "detector" in str(path)
        self.shape = ["n", 3, "h", "w"]

    def get_inputs(self):
        return [self]

    get_outputs = get_inputs

    def run(self, outputs, feed):
        return [self.detect(feed["images"]) if self.is_detector else self.embed(feed["images"])]

    def detect(self, images):
        rows = np.zeros((len(images), 8, 6), np.float32)
        for image, of_image in zip(images, rows):
            place = 0
            for color in COLORS.values():
                ys, xs = np.nonzero((np.abs(image - np.array(color[::-1])[:, None, None]) < 3).all(0))
                if len(ys):
                    x1, x2, y1, y2 = xs.min(), xs.max() + 1, ys.min(), ys.max() + 1
                    of_image[place] = [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, 0.9, 1]
                    place += 1
        return rows

    def embed(self, crops):
        return crops.mean((2, 3))


def paint(path, size=(96, 64), **boxes):
    """Write a picture of (width, height) with persons at xyxy boxes, by their colours' names; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(paint_array(size, **boxes)).save(path)
    return str(path)


def paint_array(size=(96, 64), **boxes):
    image = np.zeros((size[1], size[0], 3), np.uint8)
    for name, (x1, y1, x2, y2) in boxes.items():
        image[y1:y2, x1:x2] = COLORS[name]
    return image


def write_video(path, number=12, fps=4.0):
    """A red person who moves a pixel a frame to the right; returns the path."""
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"FFV1"), fps, (96, 64))
    assert video.isOpened()
    for i in range(number):
        video.write(paint_array(red=(10 + i, 10, 20 + i, 40))[..., ::-1])
    video.release()
    return str(path)


def make_searcher(monkeypatch, folder, **kwargs):
    """An inferencer that searches painted persons."""
    from mmpersonsearch.apis import PersonSearchInferencer

    monkeypatch.setattr("mmpersonsearch.models.exported_networks._open_session", PaintedNetwork)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {f"{part}_weights": str(folder / f"{part}.onnx") for part in ("detector", "reid")}
    for path in paths.values():
        if not (folder / path).exists():
            (folder / path).write_text(path[-9:])
    options = {"model.detector.decoded": True, "model.reid.mean": (0, 0, 0), "model.reid.std": (1, 1, 1)}
    kwargs = {"device": "cpu", "show_progress": False, "cfg_options": options, **paths, **kwargs}
    return PersonSearchInferencer("two-step_exported", **kwargs)
