"""What the tools that prepare a data set share: its images, a user's function, and pictures that are written whole."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mmpersonsearch.datasets.readers.files import check_file
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import write_whole

JPEG_QUALITY = 95
_SUFFIXES = (".jpg", ".jpeg", ".png")


def list_images(root: Path, splits: Sequence[str]) -> list[Path]:
    """List the images of ``<root>/imgs/<split>``.

    Raises:
        FileNotFoundError: A folder is missing.
        InputError: A folder has no image.
    """
    images = []
    for split in splits:
        folder = check_file(root / "imgs" / split, "a folder of images")
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
        if not found:
            raise InputError(f"{folder} has no images")
        images += found
    return images


def load_callable(name: str, option: str) -> Callable:
    """Import ``module:function``, from the working folder, too.

    Raises:
        InputError: There is no such function; the message names ``option``.
    """
    module, _, function = name.partition(":")
    if not module or not function:
        raise InputError(f"{option} {name}: expected module:function, such as parse:parse for parse in parse.py")
    sys.path.insert(0, "")
    try:
        found = getattr(importlib.import_module(module), function, None)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise InputError(f"{option} {name}: there is no module {module}") from error
    finally:
        sys.path.remove("")
    if not callable(found):
        raise InputError(f"{option} {name}: {module} has no function {function}")
    return found


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write (H, W) or (H, W, 3) uint8, RGB, under a name that ends in .jpg, .jpeg or .png; never a part of it."""
    content = io.BytesIO()
    kind = "PNG" if path.suffix.lower() == ".png" else "JPEG"
    Image.fromarray(picture).save(content, kind, quality=JPEG_QUALITY)
    write_whole(path, content.getvalue())
