"""Draw a synthetic person search set in PRW's layout; the same arguments give the same files.

python -m projects.synthetic_benchmark.generator --out data/synth
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mmpersonsearch.cli.command_line import exit_on_bad_input
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.own_files import write_whole_folder

from .synthetic_set import write_set

PROG = "python -m projects.synthetic_benchmark.generator"
MIN_SIGHTINGS = 3  # how often an identity must come on average for its queries to have matches


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog=PROG, description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn, >= 0")
    parser.add_argument("--train-scenes", type=int, default=600)
    parser.add_argument("--test-scenes", type=int, default=200)
    parser.add_argument("--train-ids", type=int, default=150, help="labelled identities of the train split")
    parser.add_argument("--test-ids", type=int, default=60, help="labelled identities of the test split")
    parser.add_argument("--queries", type=int, default=120, help="shared evenly among the test identities")
    parser.add_argument("--cameras", type=int, default=6, help="2 to 9, shared by both splits")
    parser.add_argument("--size", type=int, nargs=2, default=(336, 192), metavar=("W", "H"), help="frame, pixels")
    parser.add_argument("--persons", type=float, default=4.0, help="mean number of persons in a scene")
    parser.add_argument("--change-clothes", action="store_true", help="persons wear other clothes in each camera")
    parser.add_argument("--workers", type=int, default=2, help="processes; the set does not depend on it")
    parser.add_argument("--force", action="store_true", help="replace the set that is in the folder")
    return parser.parse_args(argv)


def check_args(args: argparse.Namespace) -> None:
    """Raise ``InputError`` that names the argument that cannot be met, or a used folder."""
    lowest = dict.fromkeys(("train_scenes", "train_ids", "test_ids", "queries", "workers"), 1)
    lowest |= {"seed": 0, "test_scenes": 2}
    for name, low in lowest.items():
        if getattr(args, name) < low:
            raise InputError(f"--{name.replace('_', '-')} must be at least {low}, got {getattr(args, name)}")
    if not 2 <= args.cameras <= 9:
        raise InputError(f"--cameras must be 2 to 9 (frame names hold one digit), got {args.cameras}")
    if min(args.size) < 96 or args.size[0] < args.size[1]:
        raise InputError(f"--size must be W >= H >= 96 pixels, got {args.size[0]} {args.size[1]}")
    if not 1 <= args.persons <= 12:
        raise InputError(f"--persons must be 1 to 12, got {args.persons}")
    for split in ("train", "test"):
        _check_density(args, split)
    if args.out.exists() and not args.out.is_dir():
        raise InputError(f"--out {args.out} is a file, expected a folder")
    if not args.force and args.out.exists() and any(args.out.iterdir()):
        raise InputError(f"--out {args.out} is not empty; --force replaces a set that this tool wrote")


def _check_density(args: argparse.Namespace, split: str) -> None:
    scenes, ids = getattr(args, f"{split}_scenes"), getattr(args, f"{split}_ids")
    # About 0.7 of the persons are labelled, and a scene holds one of them at least.
    sightings = scenes * max(1.0, 0.7 * args.persons) / ids
    if sightings < MIN_SIGHTINGS:
        raise InputError(
            f"--{split}-scenes {scenes} are too few for --{split}-ids {ids}: an identity would come "
            f"{sightings:.1f} times, expected {MIN_SIGHTINGS} or more"
        )


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    args = parse_args(argv)
    args.out = args.out.resolve()
    with exit_on_bad_input(PROG):
        check_args(args)
        with write_whole_folder(args.out, "synthetic-set") as root:
            facts = write_set(args, root)
    print(json.dumps(facts["counts"], indent=1))


if __name__ == "__main__":
    main()
