"""Image files of scenes, as the models get them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from PIL import ExifTags, Image, ImageOps

from .errors import InputError


def names_below(paths: Iterable[str]) -> dict[str, str]:
    """Name files by their path below the folder that they have in common, so that no two have the same name."""
    whole = {path: os.path.abspath(path) for path in paths}
    folder = os.path.commonpath([os.path.dirname(path) for path in whole.values()]) if whole else ""
    return {path: os.path.relpath(absolute, folder) for path, absolute in whole.items()}


def open_scene(path: str | Path) -> Image.Image:
    """Read an image as the models get it: RGB, rotated by its EXIF orientation.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: The file is no image, or truncated.
    """
    try:
        with Image.open(path) as file:
            return ImageOps.exif_transpose(file).convert("RGB")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(f"{path} cannot be decoded as an image: {error}") from error


def scene_size(path: str | Path) -> tuple[int, int]:
    """Return the width and height of :func:`open_scene`'s image without decoding it; the same errors."""
    try:
        with Image.open(path) as file:
            turned = file.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
            return file.size[::-1] if turned else file.size
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(f"{path} cannot be decoded as an image: {error}") from error
