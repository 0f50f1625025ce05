"""Write a split of PRW or CUHK-SYSU in COCO's form, as CocoPersonSearchDataset reads it.

Writes ``<out>/<split>.json`` and, of the test split, ``<out>/<split>_queries.json``. Boxes are those that the data
set's own reader gives, identities the data set's own numbers, -1 for unlabelled persons.

    mmpersonsearch to-coco --dataset PRW --data-root data/PRW --split test --out data/PRW_coco
"""

from pathlib import Path

from mmpersonsearch.datasets.coco import convert_to_coco

from .command_line import exit_on_bad_input, make_parser
from .scene_datasets import add_dataset_arguments, dataset_of

LOSS = """CUHK-SYSU loses its protocol: there each query has a gallery list of its own, here, as in PRW, every query's
gallery is all test images but its own. Metrics of the two are not comparable."""


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("to-coco", f"{__doc__}\n{LOSS}")
    add_dataset_arguments(parser, ("PRW", "CUHK-SYSU"))
    parser.add_argument("--out", required=True, type=Path, help="folder of the json files")
    args = parser.parse_args(argv)
    if args.dataset == "CUHK-SYSU" and args.split == "test":
        print(LOSS)
    with exit_on_bad_input("mmpersonsearch to-coco"):
        for path in convert_to_coco(dataset_of(args), args.out):
            print(f"wrote {path}")
