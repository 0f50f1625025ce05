"""Crops of the labelled persons of scene images, a data set for Re-ID teachers."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import write_whole
from mmpersonsearch.utils.own_files import OwnFiles
from mmpersonsearch.utils.scene_files import open_scene

from .person_search_dataset import PersonSearchDataset
from .readers.files import has_area

JPEG_QUALITY = 95


def crop_persons(dataset: PersonSearchDataset, out: Path, split: str, size: tuple[int, int]) -> int:
    """Write ``<out>/<split>/*.jpg`` and ``<out>/<split>.txt``, lines ``filename label`` for ``mmdet.ReIDDataset``.

    Labels are contiguous from 0 in the order of the data set's own identity numbers: those of a training split are its
    ``person_ids``. Crops have the height and width ``size`` in pixels. The same input gives the same files; an
    interrupted run leaves no incomplete ones.

    Returns:
        Number of crops.

    Raises:
        InputError: An image cannot be decoded, no person is labelled, or what is there already is not of this tool.
    """
    scenes = [dataset.get_data_info(i) for i in range(len(dataset))]
    own = sorted({person["person_id"] for scene in scenes for person in scene["instances"]} - {-1})
    if not own:
        raise InputError("the split has no labelled persons")
    labels = {person_id: label for label, person_id in enumerate(own)}
    own_files, parts = OwnFiles(out, f"crop-{split}"), (out / split, out / f"{split}.txt")
    own_files.check(*parts)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{split}-", dir=out) as folder:
        new = Path(folder) / split
        new.mkdir()
        lines = _write_crops(scenes, labels, new, size)
        own_files.remove(*parts)
        with own_files.recording(*parts):
            new.rename(out / split)
            # The list last: where it is, the crops are complete.
            write_whole(out / f"{split}.txt", "".join(lines).encode())
    return len(lines)


def _write_crops(scenes: list[dict], labels: dict[int, int], folder: Path, size: tuple[int, int]) -> list[str]:
    """Write all crops; returns the lines of their list."""
    lines, outside = [], []
    for i, scene in enumerate(tqdm(scenes, desc=f"cropping {folder.name}", unit="image")):
        persons = [person for person in scene["instances"] if person["person_id"] >= 0]
        for j, (person, crop) in enumerate(zip(persons, cut_persons(scene["img_path"], persons, size))):
            if crop is None:
                outside.append(scene["img_path"])
                continue
            label = labels[person["person_id"]]
            name = f"{label:05d}_{i:06d}_{j:03d}.jpg"
            crop.save(folder / name, quality=JPEG_QUALITY)
            lines.append(f"{name} {label}\n")
    if outside:
        warnings.warn(
            f"{folder.name}: {len(outside)} boxes lie outside their image and have no crop, the first in {outside[0]}",
            stacklevel=3,
        )
    return lines


def cut_persons(path: str, persons: list[dict], size: tuple[int, int]) -> list[Image.Image | None]:
    """Cut each person's ``bbox`` out of an image file, at a height and width in pixels; None where it lies outside.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It cannot be decoded.
    """
    if not persons:
        return []
    image = open_scene(path)
    boxes = np.clip([person["bbox"] for person in persons], 0, [image.width, image.height] * 2)
    return [
        image.resize(size[::-1], Image.Resampling.BILINEAR, box=tuple(box)) if inside else None
        for box, inside in zip(boxes, has_area(boxes))
    ]
