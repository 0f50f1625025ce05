"""Image files of scenes, as the models get them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps

from .errors import InputError


def names_below(paths: Iterable[str]) -> dict[str, str]:
    """Name files by their path below the folder that they have in common, so that no two have the same name."""
    whole = {path: os.path.abspath(path) for path in paths}
    folder = os.path.commonpath([os.path.dirname(path) for path in whole.values()]) if whole else ""
    return {path: os.path.relpath(absolute, folder) for path, absolute in whole.items()}


def check_regular(path: str | Path | BinaryIO) -> None:
    """Raise InputError if a path is a device, a pipe or a folder, whose reading may never end."""
    if isinstance(path, str | Path) and os.path.exists(path) and not os.path.isfile(path):
        raise InputError(f"{path} cannot be decoded as an image: it is no regular file")


def open_scene(path: str | Path | BinaryIO) -> Image.Image:
    """Read an image as the models get it, by OpenCV: RGB of 8 bits, rotated by its EXIF orientation.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: The file is no image, or truncated.
    """
    check_regular(path)
    try:
        with Image.open(path) as file:
            image = file if orientation_of(file) == 1 else ImageOps.exif_transpose(file)
            if image.mode.startswith("I;16"):  # Pillow would clip at 255
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            return image.convert("RGB")
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be decoded as an image: {error}") from error


def scene_size(path: str | Path) -> tuple[int, int]:
    """Return the width and height of :func:`open_scene`'s image without decoding it; the same errors."""
    check_regular(path)
    try:
        with Image.open(path) as file:
            return size_of(file)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be decoded as an image: {error}") from error


def size_of(file: Image.Image) -> tuple[int, int]:
    """Width and height, as models get it, of an opened image that was not loaded."""
    if file.format == "TIFF":  # Pillow rotates it as it is loaded
        file.load()
    return file.size[::-1] if orientation_of(file) in (5, 6, 7, 8) else file.size


def orientation_of(file: Image.Image) -> int:
    """EXIF's orientation of an opened image by which it is rotated, 1 for none; OpenCV leaves WebP as it is."""
    return 1 if file.format == "WEBP" else file.getexif().get(ExifTags.Base.Orientation, 1)
