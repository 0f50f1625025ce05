"""Crop the labelled persons from scene images, as a training set for Re-ID teachers.

Writes ``<out>/<split>/*.jpg`` and ``<out>/<split>.txt`` with lines ``filename label`` for mmdet.ReIDDataset. Labels
are contiguous from 0, in the order of the data set's identity numbers.

    mmpersonsearch crop --dataset PRW --data-root data/PRW --split train --out data/PRW_reid
"""

from pathlib import Path

from mmpersonsearch.datasets.crops import crop_persons
from mmpersonsearch.utils.files import check_folder

from .command_line import exit_on_bad_input, make_parser, positive
from .scene_datasets import add_dataset_arguments, dataset_of


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("crop", __doc__)
    add_dataset_arguments(parser, ("PRW", "CUHK-SYSU", "COCO"))
    parser.add_argument("--out", required=True, type=Path, help="folder of the training set")
    parser.add_argument(
        "--size", nargs=2, type=positive, default=(256, 128), metavar=("HEIGHT", "WIDTH"), help="default: 256 128"
    )
    args = parser.parse_args(argv)
    with exit_on_bad_input("mmpersonsearch crop"):
        check_folder(args.out)
        number = crop_persons(dataset_of(args), args.out, args.split, tuple(args.size))
    print(f"{number} crops in {args.out / args.split}, listed in {args.out / args.split}.txt")
