"""Draws photos of tattoos as a set in COCO's form; see ``--help``. The same seed gives the same files."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image
from tattoo_drawing.bodies import Body, draw_bodies
from tattoo_drawing.photos import Photo, draw_photo
from tqdm import tqdm

from mmpersonsearch.cli.command_line import exit_on_bad_input
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.own_files import write_whole_folder

FORMAT_VERSION = 1
JPEG_QUALITY = 92
CATEGORY = dict(id=1, name="tattoo", supercategory="tattoo")
MIN_PHOTOS = 4  # of an identity on average, for its queries to have matches

Truth = list[np.ndarray]  # annotation (N, 5) of each photo


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn, >= 0")
    parser.add_argument("--train-images", type=int, default=600)
    parser.add_argument("--test-images", type=int, default=200)
    parser.add_argument("--train-ids", type=int, default=150, help="labelled tattoos of the train split")
    parser.add_argument("--test-ids", type=int, default=60, help="labelled tattoos of the test split")
    parser.add_argument("--queries", type=int, default=120, help="shared evenly among the test split's tattoos")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 192), metavar=("LONG", "SHORT"), help="pixels")
    parser.add_argument("--force", action="store_true", help="replace the set that is in the folder")
    return parser.parse_args(argv)


def check_args(args: argparse.Namespace) -> None:
    """Raises ``InputError`` that names the argument that cannot be met, or a used folder."""
    lowest = dict(seed=0, train_images=1, test_images=2, train_ids=1, test_ids=1, queries=1)
    for name, low in lowest.items():
        if getattr(args, name) < low:
            raise InputError(f"--{name.replace('_', '-')} must be at least {low}, got {getattr(args, name)}")
    if args.size[1] < 64 or args.size[0] < args.size[1]:
        raise InputError(f"--size must be LONG >= SHORT >= 64 pixels, got {args.size[0]} {args.size[1]}")
    for split in ("train", "test"):
        images, ids = getattr(args, f"{split}_images"), getattr(args, f"{split}_ids")
        # A photo is taken of one limb, which carries 1.4 of the identities.
        if 1.4 * images / ids < MIN_PHOTOS:
            raise InputError(
                f"--{split}-images {images} are too few for --{split}-ids {ids}: a tattoo would come "
                f"{1.4 * images / ids:.1f} times, expected {MIN_PHOTOS} or more"
            )
    if args.out.exists() and not args.out.is_dir():
        raise InputError(f"--out {args.out} is a file, expected a folder")
    if not args.force and args.out.exists() and any(args.out.iterdir()):
        raise InputError(f"--out {args.out} is not empty; --force replaces a set that this tool wrote")


def plan_photos(
    rng: np.random.Generator, bodies: list[Body], count: int, first: int, size: tuple[int, int]
) -> list[Photo]:
    """Deals limbs to photos, each about equally often; half of the photos are upright."""
    rounds = [rng.permutation(len(bodies)) for _ in range(count // len(bodies) + 1)]
    return [
        Photo(
            file_name=f"{first + i:06d}.jpg",
            body=int(body),
            size=size if rng.random() < 0.5 else size[::-1],
            seed=int(rng.integers(2**63)),
        )
        for i, body in enumerate(np.concatenate(rounds)[:count])
    ]


def draw_photos(photos: list[Photo], bodies: list[Body], folder: Path, split: str) -> Truth:
    """Draws and writes the photos of a split; returns their annotation."""
    truth = []
    for photo in tqdm(photos, desc=split, unit="photo"):
        picture, annotation = draw_photo(photo, bodies)
        # Whole colour resolution: at half of it, thin coloured lines would fade.
        Image.fromarray(picture).save(folder / photo.file_name, quality=JPEG_QUALITY, subsampling=0)
        truth.append(annotation)
    return truth


def describe_split(photos: list[Photo], truth: Truth, first: int) -> dict:
    """The annotations' json; images are numbered from ``first``."""
    images = [
        dict(id=first + i, file_name=photo.file_name, width=photo.size[0], height=photo.size[1])
        for i, photo in enumerate(photos)
    ]
    rows = [(image["id"], row) for image, annotation in zip(images, truth) for row in annotation.tolist()]
    annotations = [
        dict(
            id=i,
            image_id=image_id,
            category_id=CATEGORY["id"],
            bbox=box,
            area=box[2] * box[3],
            iscrowd=0,
            person_id=number,
        )
        for i, (image_id, (number, *box)) in enumerate(rows, start=1)
    ]
    return dict(images=images, annotations=annotations, categories=[CATEGORY])


def choose_queries(annotations: list[dict], numbers: range, count: int, rng: np.random.Generator) -> list[dict]:
    """Chooses ``count`` queries, as many of each tattoo, each from a photo of its own.

    Args:
        annotations: Of the test split.
        numbers: The tattoos' identities.
        count: Number of queries.
        rng: Source of all choices.

    Raises:
        InputError: A tattoo is seen too seldom.
    """
    seen = defaultdict(list)
    for annotation in annotations:
        seen[annotation["person_id"]].append(annotation)
    queries = []
    for i, number in enumerate(numbers):
        wanted = count // len(numbers) + (i < count % len(numbers))
        if len(seen[number]) < max(2, wanted):
            raise InputError(
                f"test tattoo {number} is seen in {len(seen[number])} photos, expected {max(2, wanted)} or more: raise "
                "--test-images, or lower --test-ids or --queries"
            )
        queries += [seen[number][k] for k in sorted(rng.permutation(len(seen[number]))[:wanted])]
    return [{key: query[key] for key in ("image_id", "bbox", "person_id")} for query in queries]


def write_set(args: argparse.Namespace, root: Path) -> dict:
    """Draws and writes the whole set into the empty folder ``root``; returns what ``tattoos.json`` says."""
    (root / "images").mkdir()
    counts = {}
    first_id = first_image = 1
    for split, rng in zip(("train", "test"), np.random.default_rng(args.seed).spawn(2)):
        num_ids, num_images = getattr(args, f"{split}_ids"), getattr(args, f"{split}_images")
        numbers = range(first_id, first_id + num_ids)
        bodies = draw_bodies(rng, numbers)
        photos = plan_photos(rng, bodies, num_images, first_image, tuple(args.size))
        truth = draw_photos(photos, bodies, root / "images", split)
        content = describe_split(photos, truth, first_image)
        _write(root / f"{split}.json", content)
        counts[split] = _count(content, num_ids)
        first_id, first_image = first_id + num_ids, first_image + num_images
    queries = choose_queries(content["annotations"], numbers, args.queries, rng)
    _write(root / "test_queries.json", dict(queries=queries))
    counts["test"]["queries"] = len(queries)
    facts = dict(format=FORMAT_VERSION, parameters=_parameters(args), counts=counts)
    _write(root / "tattoos.json", facts)
    return facts


def _count(content: dict, num_ids: int) -> dict:
    annotations = content["annotations"]
    sides = [max(annotation["bbox"][2:]) for annotation in annotations]
    return dict(
        images=len(content["images"]),
        boxes=len(annotations),
        labelled_boxes=sum(annotation["person_id"] >= 0 for annotation in annotations),
        identities=num_ids,
        longer_sides_5_50_95=np.percentile(sides, (5, 50, 95)).tolist(),
    )


def _parameters(args: argparse.Namespace) -> dict:
    """The arguments that decide what is drawn."""
    values = {name: value for name, value in vars(args).items() if name not in ("out", "force")}
    return {**values, "size": list(args.size)}


def _write(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content) + "\n")


def main(argv: list[str] | None = None) -> None:
    """Draws the set that the command line asks for."""
    args = parse_args(argv)
    args.out = args.out.resolve()
    with exit_on_bad_input("make_tattoos.py"):
        check_args(args)
        with write_whole_folder(args.out, "tattoos") as root:
            facts = write_set(args, root)
    print(json.dumps(facts["counts"], indent=1))


if __name__ == "__main__":
    main()
