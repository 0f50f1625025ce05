"""Image files: missing, truncated, of another size than annotated, the same in training and test."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from mmpersonsearch.utils.faults import ERROR, WARNING, Faults
from mmpersonsearch.utils.scene_files import orientation_of, size_of

from .annotations import Split

_JPEG, _JPEG_SCAN, _JPEG_END = b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9"
_PNG, _PNG_END = b"\x89PNG", b"IEND\xaeB`\x82"


class ImageState(NamedTuple):
    """What was found in an image file.

    Attributes:
        error: Why it cannot be decoded to the end; empty if it can.
        size: Width and height as loaded, after EXIF's rotation; NaN where unknown.
        orientation: EXIF's; 1 is upright.
        digest: Of the file's content.
    """

    error: str = ""
    size: tuple[float, float] = (np.nan, np.nan)
    orientation: int = 1
    digest: bytes = b""


def read_image(path: str) -> ImageState:
    """Decode an image file to its end.

    OpenCV fills what is missing of a truncated JPEG with gray. Pillow notices missing data, but not a missing end that
    was filled with zeros: so the end marker has to be there.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
        digest = hashlib.blake2b(data, digest_size=16).digest()
        if not data:
            return ImageState("empty file", digest=digest)
        with Image.open(io.BytesIO(data)) as image:
            orientation, size = orientation_of(image), size_of(image)
            image.draft("L", (1, 1))  # a JPEG's data are all read, but an eighth of its size is computed
            image.load()
    # Pillow raises errors of many kinds on damaged files.
    except Exception as error:
        return ImageState(str(error).partition(" <")[0] or type(error).__name__)
    return ImageState(_missing_end(data), size, orientation, digest)


def _missing_end(data: bytes) -> str:
    if data.startswith(_JPEG) and data.rfind(_JPEG_END) < data.rfind(_JPEG_SCAN):
        return "truncated: no end marker"
    if data.startswith(_PNG) and _PNG_END not in data[-4096:]:
        return "truncated: no IEND"
    return ""


def read_images(paths: Iterable[str], workers: int) -> dict[str, ImageState]:
    """Decode image files in so many processes (0: in this one), with a progress bar; state by path."""
    paths = sorted(set(paths))
    bar = dict(total=len(paths), desc="decoding images", unit="image")
    if workers == 0 or not paths:
        return dict(zip(paths, tqdm(map(read_image, paths), **bar)))
    with ProcessPoolExecutor(workers) as pool:
        return dict(zip(paths, tqdm(pool.map(read_image, paths, chunksize=16), **bar)))


def check_images(splits: Sequence[Split], images: Mapping[str, ImageState], faults: Faults) -> None:
    """Add missing files and images that training and test share; with ``images``, what was found in decoding.

    Args:
        splits: Of the config.
        images: States by path; empty if no image was decoded. Sizes enter the splits.
        faults: Where faults are added.
    """
    for split in splits:
        for i, path in enumerate(split.paths):
            if not os.path.isfile(path):
                faults.add(ERROR, split.place, "images that do not exist", path)
            elif path in images:
                _check_state(split, i, images[path], faults)
        for path in split.other_paths:
            if path in images and (error := images[path].error):
                faults.add(ERROR, split.place, "masks or further pictures that cannot be decoded", f"{path} ({error})")
    training = {os.path.abspath(path) for split in splits if split.training for path in split.paths}
    contents = {images[path].digest for split in splits if split.training for path in split.paths if path in images}
    for split in splits:
        for path in [] if split.training else split.paths:
            if os.path.abspath(path) in training:
                faults.add(WARNING, split.place, "images that are also in the training split", path)
            elif path in images and images[path].digest in contents - {b""}:
                faults.add(WARNING, split.place, "images whose content is also in the training split", path)


def _check_state(split: Split, i: int, image: ImageState, faults: Faults) -> None:
    path = split.paths[i]
    if image.error:
        faults.add(ERROR, split.place, "images that cannot be decoded", f"{path} ({image.error})")
        return
    declared, size = split.sizes[i].tolist(), image.size
    turned = image.orientation in (5, 6, 7, 8) and declared == [*size[::-1]]
    if image.orientation != 1:
        kind = "images that EXIF turns when they are loaded: boxes have to fit the turned image"
        faults.add(WARNING, split.place, kind, f"{path} (orientation {image.orientation})")
    if not turned and not np.isnan(declared).any() and declared != [*size]:
        example = f"{path} ({size[0]} x {size[1]}, annotated as {declared[0]:g} x {declared[1]:g})"
        faults.add(ERROR, split.place, "images of another size than annotated", example)
    split.sizes[i] = size
