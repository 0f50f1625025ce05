"""Make the clothes masks of a data set's images by a model of human parsing.

python projects/deskpro/tools/make_masks.py data/celeb-reid --parser parse:parse --labels LIP

Writes mask/<split>/<name>, 0 on clothes and 255 elsewhere, for each image imgs/<split>/<name>. The parser is a function
of an image's path that returns its parsing map, (H, W) integers; README.md has one of MMSegmentation. Images with a
mask are skipped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from mmpersonsearch.cli.command_line import exit_on_bad_input
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.scene_files import scene_size
from projects.deskpro.deskpro.label_sets import LABELS, cloth_mask
from projects.deskpro.deskpro.preparation import list_images, load_callable, write_picture


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="folder of the data set, with imgs")
    parser.add_argument("--parser", required=True, metavar="MODULE:FUNCTION", help="function from a path to its map")
    parser.add_argument("--labels", required=True, choices=LABELS, help="label set of the maps")
    parser.add_argument("--splits", nargs="+", default=["bounding_box_train"], help="masks serve training alone")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    args = parse_args(argv)
    with exit_on_bad_input("make_masks.py"):
        parse, images = load_callable(args.parser, "--parser"), list_images(args.root, args.splits)
        masks = {path: args.root / "mask" / path.relative_to(args.root / "imgs") for path in images}
        missing = [path for path in images if not masks[path].exists()]
        for path in tqdm(missing, unit="image"):
            labels = parse(str(path))
            try:
                mask = cloth_mask(labels, args.labels)
            except InputError as error:
                raise InputError(f"{path}: {error}") from error
            if mask.shape[::-1] != scene_size(path):
                raise InputError(f"{path}: an image of {scene_size(path)} pixels, the map has {mask.shape[::-1]}")
            write_picture(masks[path], mask)
    print(f"{len(missing)} masks in {args.root / 'mask'}, {len(images) - len(missing)} were there")


if __name__ == "__main__":
    main()
