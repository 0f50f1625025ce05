"""Cuts the labelled persons out of scene images, as a training set for Re-ID teachers.

Writes ``<out>/<split>/*.jpg`` and ``<out>/<split>.txt``, lines ``filename label`` as mmdet.ReIDDataset reads them,
with labels from 0 without gaps in the order of the data set's own identity numbers: those of the training split are
the data set's ``person_ids``. The same input gives the same files.

    mmpersonsearch crop --dataset PRW --data-root data/PRW --split train --out data/PRW_reid
"""

import argparse
import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from mmpersonsearch.datasets import PersonSearchDataset

from .command_line import exit_on_bad_input, positive
from .scene_datasets import add_dataset_arguments, build_dataset

JPEG_QUALITY = 95


def crop_persons(dataset: PersonSearchDataset, out: Path, split: str, size: tuple[int, int]) -> int:
    """Writes the crops of a data set's labelled persons.

    Everything is written under other names first, so that an interrupted run leaves no half set behind.

    Args:
        dataset: The scenes.
        out: Folder of the crops' data set.
        split: Name of the crops' folder and list.
        size: Height and width of a crop in pixels.

    Returns:
        Number of crops.

    Raises:
        ValueError: An image cannot be decoded, or no person is labelled.
    """
    scenes = [dataset.get_data_info(i) for i in range(len(dataset))]
    labels = _contiguous_labels(scenes)
    folder, unfinished = out / split, out / f"{split}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    lines = []
    for i, scene in enumerate(tqdm(scenes, desc=f"cropping {split}", unit="image")):
        persons = [person for person in scene["instances"] if person["person_id"] >= 0]
        for j, (person, crop) in enumerate(zip(persons, _crops(scene["img_path"], persons, size))):
            if crop is None:
                continue
            label = labels[person["person_id"]]
            name = f"{label:05d}_{i:06d}_{j:03d}.jpg"
            crop.save(unfinished / name, quality=JPEG_QUALITY)
            lines.append(f"{name} {label}\n")
    unfinished_list = out / f"{split}.txt.unfinished"
    unfinished_list.write_text("".join(lines))
    # The list last: where it is, the crops are complete.
    (out / f"{split}.txt").unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(unfinished, folder)
    os.replace(unfinished_list, out / f"{split}.txt")
    return len(lines)


def _contiguous_labels(scenes: list[dict]) -> dict[int, int]:
    own = sorted({person["person_id"] for scene in scenes for person in scene["instances"]} - {-1})
    if not own:
        raise ValueError("the split has no labelled persons")
    return {person_id: label for label, person_id in enumerate(own)}


def _crops(path: str, persons: list[dict], size: tuple[int, int]) -> list[Image.Image | None]:
    """A crop of each person; None where its box lies outside the image."""
    if not persons:
        return []
    try:
        with Image.open(path) as file:
            image = file.convert("RGB")
    except FileNotFoundError:
        raise
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path} cannot be decoded as an image: {error}") from error
    height, width = size
    crops = []
    for person in persons:
        box = np.clip(person["bbox"], 0, [image.width, image.height] * 2)
        inside = box[2] > box[0] and box[3] > box[1]
        crops.append(
            image.resize((width, height), Image.Resampling.BILINEAR, box=tuple(box), reducing_gap=None)
            if inside
            else None
        )
    return crops


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="mmpersonsearch crop",
        description=__doc__.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add_dataset_arguments(parser, ("PRW", "CUHK-SYSU", "COCO"))
    parser.add_argument("--out", required=True, type=Path, help="folder of the crops' data set")
    parser.add_argument("--size", nargs=2, type=positive, default=(256, 128), metavar=("HEIGHT", "WIDTH"))
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with exit_on_bad_input("mmpersonsearch crop"):
        number = crop_persons(build_dataset(args), args.out, args.split, tuple(args.size))
    print(f"{number} crops in {args.out / args.split}, listed in {args.out / args.split}.txt")
