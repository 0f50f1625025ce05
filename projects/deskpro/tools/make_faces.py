"""Cut the faces out of a data set's images, and restore them.

python -m projects.deskpro.tools.make_faces data/celeb-reid
python -m projects.deskpro.tools.make_faces data/celeb-reid --detector faces:detect --restorer faces:restore

Writes lr_face/<split>/<name> and hr_face/<split>/<name> for each image imgs/<split>/<name> in which a face is found; of
several the one with the highest score. A detector is a function of (H, W, 3) uint8 RGB that returns (n, 5) boxes with
scores, x1 y1 x2 y2 score in pixels; the default is MTCNN of facenet-pytorch (README.md). A restorer is a function of a
face, (h, w, 3) uint8 RGB, that returns another; without one the restored faces are the plain ones, so that the teacher
sees no more than its student. Images with both faces are skipped.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mmpersonsearch.cli.command_line import exit_on_bad_input
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.scene_files import open_scene
from projects.deskpro.deskpro.faces import cut_face, mtcnn
from projects.deskpro.deskpro.preparation import list_images, load_callable, write_picture

SPLITS = ["bounding_box_train", "query", "bounding_box_test"]
FOLDERS = ("lr_face", "hr_face")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="folder of the data set, with imgs")
    parser.add_argument("--detector", metavar="MODULE:FUNCTION", help="default: MTCNN of facenet-pytorch")
    parser.add_argument("--restorer", metavar="MODULE:FUNCTION", help="default: faces stay as they are")
    parser.add_argument("--min-score", type=float, default=0.9, help="least score of a face, default %(default)s")
    parser.add_argument("--margin", type=float, default=0.2, help="added around a face, as a fraction of its side")
    parser.add_argument("--splits", nargs="+", default=SPLITS, help="default: all")
    return parser.parse_args(argv)


def make_faces(args: argparse.Namespace, images: list[Path], detect: Callable, restore: Callable | None) -> int:
    """Write the faces of images; returns in how many one was found.

    Raises:
        InputError: An image cannot be decoded, or a function returns something else than expected.
    """
    for folder, split in product(FOLDERS, args.splits):  # also where nobody shows a face
        (args.root / folder / split).mkdir(parents=True, exist_ok=True)
    found = 0
    for path in tqdm(images, unit="image"):
        image = np.asarray(open_scene(path))
        try:
            face = cut_face(image, detect(image), args.min_score, args.margin)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        if face is None:
            continue
        restored = face if restore is None else np.asarray(restore(face))
        if restored.ndim != 3 or restored.shape[2] != 3 or restored.dtype != np.uint8:
            raise InputError(f"{path}: --restorer gave {restored.dtype} {restored.shape}, expected uint8 (h, w, 3)")
        for folder, picture in zip(FOLDERS, (face, restored)):
            write_picture(args.root / folder / path.relative_to(args.root / "imgs"), picture)
        found += 1
    return found


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    args = parse_args(argv)
    with exit_on_bad_input("make_faces.py"):
        images = list_images(args.root, args.splits)
        detect = load_callable(args.detector, "--detector") if args.detector else mtcnn()
        restore = load_callable(args.restorer, "--restorer") if args.restorer else None
        names = {path: path.relative_to(args.root / "imgs") for path in images}
        missing = [path for path in images if not all((args.root / one / names[path]).exists() for one in FOLDERS)]
        if restore is None:
            print("No --restorer: hr_face gets plain faces, and the face teacher sees no more than its student")
        found = make_faces(args, missing, detect, restore)
    print(f"A face in {found} of {len(missing)} images, {len(images) - len(missing)} had one before")


if __name__ == "__main__":
    main()
