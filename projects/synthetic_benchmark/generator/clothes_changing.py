"""Draw a Re-ID set of persons who wear other clothes in each image; the same arguments give the same files.

Bodies, clothes masks, faces as the cameras see them and sharp ones, in the folders of projects/deskpro:

python -m projects.synthetic_benchmark.generator.clothes_changing --out data/clothes_synth
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from mmpersonsearch.cli.command_line import exit_on_bad_input
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.own_files import write_whole_folder

from .cameras import Camera, draw_cameras
from .identities import Identity
from .persons import HEAD, Pose, draw_clothes, draw_head, draw_person, draw_pose, head_center
from .scenes import paste
from .wardrobe import change_clothes, draw_persons

PROG = "python -m projects.synthetic_benchmark.generator.clothes_changing"
FORMAT_VERSION = 2
SPLITS = ("bounding_box_train", "query", "bounding_box_test")
FACES_SEEN = 0.85  # probability of a person who faces the camera; of others no face is found
_FRAME = (192, 256)  # width and height of what the cameras look at

Sighting = dict[str, np.ndarray]  # pictures by folder


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog=PROG, description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn, >= 0")
    parser.add_argument("--train-ids", type=int, default=100, help="identities of the training split")
    parser.add_argument("--test-ids", type=int, default=50, help="other identities, of the test split")
    parser.add_argument("--cameras", type=int, default=12, help="3 to 99, each with one image of each person")
    parser.add_argument("--size", type=int, nargs=2, default=(128, 64), metavar=("H", "W"), help="of a body, pixels")
    parser.add_argument("--face-size", type=int, default=32, help="height and width of a face, pixels")
    parser.add_argument("--force", action="store_true", help="replace the set that is in the folder")
    return parser.parse_args(argv)


def check_args(args: argparse.Namespace) -> None:
    """Raise ``InputError`` that names the argument that cannot be met, or a used folder."""
    for name, low in dict(seed=0, train_ids=1, test_ids=1, face_size=8).items():
        if getattr(args, name) < low:
            raise InputError(f"--{name.replace('_', '-')} must be at least {low}, got {getattr(args, name)}")
    if not 3 <= args.cameras <= 99:
        raise InputError(f"--cameras must be 3 to 99, got {args.cameras}")
    if args.size[1] < 16 or args.size[0] < 2 * args.size[1]:
        raise InputError(f"--size must be H >= 2 W and W >= 16 pixels, got {args.size[0]} {args.size[1]}")
    if args.out.exists() and not args.out.is_dir():
        raise InputError(f"--out {args.out} is a file, expected a folder")
    if not args.force and args.out.exists() and any(args.out.iterdir()):
        raise InputError(f"--out {args.out} is not empty; --force replaces a set that this tool wrote")


def draw_sighting(
    who: Identity, camera: Camera, rng: np.random.Generator, size: tuple[int, int], face_size: int
) -> Sighting:
    """Draw a person as a camera sees it.

    Args:
        who: The person, as dressed.
        camera: The camera.
        rng: Source of all choices.
        size: Height and width of the body's picture in pixels.
        face_size: Height and width of the faces' pictures in pixels.

    Returns:
        uint8 RGB ``imgs`` and (H, W) ``mask``, 0 on clothes and 255 elsewhere; where the face is seen ``lr_face``, cut
        out of the body's picture and enlarged, and ``hr_face``, drawn at its size.
    """
    faces_camera = rng.random() < FACES_SEEN
    pose = replace(draw_pose(rng), facing=float(rng.uniform(-1.0, 1.0)) + (0.0 if faces_camera else math.pi))
    height = float(rng.uniform(0.92, 0.97)) * size[0]
    crown = rng.uniform(1, max(2.0, size[0] - height - 1))
    x, y = round(size[1] / 2 + rng.uniform(-0.04, 0.04) * size[1]), round(crown + height)
    light, worn = _draw_background(camera, rng, size), np.zeros((*size, 3), np.float32)
    empty = light.copy()
    owner = np.zeros(size, int)
    sprite, clothes = draw_person(who, pose, height), draw_clothes(who, pose, height)
    paste(light, owner, sprite, x, y, 1)
    white = np.repeat(clothes[..., None], 3, axis=2).astype(np.float32)
    paste(worn, owner, replace(sprite, rgb=white, alpha=clothes.astype(np.float32)), x, y, 1)
    body = camera.shoot(light, rng)
    pictures = {"imgs": body, "mask": np.where(worn[..., 0] > 0.5, 0, 255).astype(np.uint8)}
    if faces_camera:
        box = _head_box(pose, x, y, height)
        pictures["lr_face"] = np.asarray(_cut(Image.fromarray(body), box, face_size))
        behind = np.asarray(_cut(Image.fromarray((255 * empty).astype(np.uint8)), box, face_size), np.float32) / 255
        rgb, alpha = draw_head(who, pose, face_size)
        face = behind * (1 - alpha[..., None]) + rgb * alpha[..., None]
        pictures["hr_face"] = camera.shoot(face.astype(np.float32), rng)
    return pictures


def _draw_background(camera: Camera, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) float32 of a part of what the camera looks at."""
    height, width = camera.background.shape[:2]
    part = rng.uniform(0.5, 1.0) * min(height, width * size[0] / size[1])
    x, y = rng.uniform(0, width - part * size[1] / size[0]), rng.uniform(0, height - part)
    box = (x, y, x + part * size[1] / size[0], y + part)
    image = Image.fromarray(np.round(255 * camera.background).astype(np.uint8))
    return np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR, box=box), np.float32) / 255


def _head_box(pose: Pose, x: float, y: float, height: float) -> tuple[float, float, float, float]:
    """Square about the head of a person whose feet are at (x, y), xyxy in pixels."""
    cx, cy = head_center(pose)
    cx, cy, half = x + 0.5 + cx * height, y + (cy - 1) * height, HEAD * height
    return cx - half, cy - half, cx + half, cy + half


def _cut(image: Image.Image, box: tuple[float, ...], side: int) -> Image.Image:
    """Cut a square out of an image and scale it; what lies outside repeats the border."""
    pad = math.ceil(box[2] - box[0])
    padded = Image.fromarray(np.pad(np.asarray(image), ((pad, pad), (pad, pad), (0, 0)), mode="edge"))
    return padded.resize((side, side), Image.Resampling.BILINEAR, box=tuple(value + pad for value in box))


def write_set(args: argparse.Namespace, root: Path) -> dict:
    """Draw and write the whole set into the empty folder ``root``; returns what ``clothes.json`` says."""
    camera_rng, *split_rngs = np.random.default_rng(args.seed).spawn(3)
    cameras = draw_cameras(camera_rng, args.cameras, _FRAME)
    counts = {split: dict(images=0, faces=0) for split in SPLITS}
    for folder in ("imgs", "mask", "lr_face", "hr_face"):
        for split in SPLITS:
            (root / folder / split).mkdir(parents=True)
    for name, first, count, rng in zip(
        ("train", "test"), (1, 1 + args.train_ids), (args.train_ids, args.test_ids), split_rngs
    ):
        numbers = range(first, first + count)
        persons = draw_persons(rng, numbers)
        seen = [(who, camera) for who in persons for camera in range(args.cameras)]
        for who, camera in tqdm(seen, desc=name, unit="image"):
            pictures = draw_sighting(change_clothes(rng, who), cameras[camera], rng, args.size, args.face_size)
            split = SPLITS[0] if name == "train" else SPLITS[1 if camera < args.cameras // 3 else 2]
            for folder, picture in pictures.items():
                file = root / folder / split / f"{who.number:04d}_c{camera + 1}_000.png"
                Image.fromarray(picture).save(file, compress_level=1)
            counts[split]["images"] += 1
            counts[split]["faces"] += "lr_face" in pictures
    values = {name: value for name, value in vars(args).items() if name not in ("out", "force")}
    facts = dict(format=FORMAT_VERSION, parameters=values | {"size": list(args.size)}, counts=counts)
    (root / "clothes.json").write_text(json.dumps(facts, indent=1) + "\n")
    return facts


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    args = parse_args(argv)
    args.out = args.out.resolve()
    with exit_on_bad_input(PROG):
        check_args(args)
        with write_whole_folder(args.out, "clothes-changing") as root:
            facts = write_set(args, root)
    print(json.dumps(facts["counts"], indent=1))


if __name__ == "__main__":
    main()
