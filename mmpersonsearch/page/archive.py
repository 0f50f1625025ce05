"""The pictures that a page may show: those of the gallery's archive, and pictures that a visitor brings."""

from __future__ import annotations

import io
import os
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmpersonsearch.apis import Gallery
from mmpersonsearch.apis.search import NO_TIME
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.media import split_frame
from mmpersonsearch.utils.scene_files import open_scene

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
MOST_PIXELS, LEAST_SIDE = 50_000_000, 16
_MOST_LISTED = 100_000


class Archive:
    """Pictures of a gallery: their list as the page opens, and the files, of the archive's folder alone.

    Attributes:
        pictures: ``image``, ``camera``, ``time`` and ``persons`` of each, by name; of more than 100,000 only so many.
        number: Of all pictures of the gallery.
        persons: Their number.
        cameras: Their names.
        times: The first and the last in seconds; None where there is none.
    """

    def __init__(self, gallery: Gallery) -> None:
        rows = gallery.rows(["image", "camera", "time", "persons"])
        self.pictures: list[dict[str, Any]] = sorted(islice(rows, _MOST_LISTED), key=lambda row: row["image"])
        self.number, self.persons = gallery.count()
        self.cameras = sorted({row["camera"] for row in self.pictures} - {""})
        times = [row["time"] for row in self.pictures if row["time"] > NO_TIME]
        self.times = (min(times), max(times)) if times else None
        self.root = gallery.facts["root"]

    def list(self, text: str = "", camera: str = "") -> list[dict[str, Any]]:
        """Return the pictures with a text in their names, of one camera or of all."""
        text = text.strip().lower()
        return [
            row for row in self.pictures if text in row["image"].lower() and (not camera or row["camera"] == camera)
        ]

    def path(self, image: str) -> str:
        """Return the path of a picture.

        Raises:
            InputError: It is outside of the archive's folder, by its name or by a symbolic link.
        """
        path = os.path.join(self.root, image)
        if not Path(split_frame(path)[0]).resolve().is_relative_to(Path(self.root).resolve()):
            raise InputError(f"{image} is outside of the archive")
        return path


def read_upload(content: bytes, name: str) -> np.ndarray:
    """Decode a picture that a visitor brings: (h, w, 3) BGR.

    Raises:
        InputError: It is no picture, broken, too small or too large.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as file:
            width, height = file.size
    except Exception as error:  # Pillow's decoders raise all kinds at files that are made to break them
        raise InputError(f"{name} is no picture that can be read: expected {', '.join(FORMATS)}") from error
    if min(width, height) < LEAST_SIDE or width * height > MOST_PIXELS:
        limits = f"expected {LEAST_SIDE} pixels a side or more, {MOST_PIXELS // 10**6} megapixels or fewer"
        raise InputError(f"{name} is {width} x {height}: {limits}")
    try:
        return np.asarray(open_scene(io.BytesIO(content)))[..., ::-1].copy()
    except Exception as error:
        raise InputError(f"{name} is broken: it cannot be decoded to its end") from error
