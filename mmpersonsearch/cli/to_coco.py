"""Convert a split of PRW or CUHK-SYSU to COCO format, as CocoPersonSearchDataset reads it.

Writes ``<out>/<split>.json`` and, for the test split, ``<out>/<split>_queries.json``. Identities keep the numbers of
the data set; unlabelled persons have -1.

    mmpersonsearch to-coco --dataset PRW --data-root data/PRW --split test --out data/PRW_coco
"""

from pathlib import Path

from mmpersonsearch.datasets.coco import convert_to_coco

from .command_line import exit_on_bad_input, make_parser
from .scene_datasets import add_dataset_arguments, dataset_of

LOSS = """CUHK-SYSU loses its protocol, in which each query has its own gallery list. In COCO format, as in PRW, the
gallery of a query is all test images but its own. Metrics of the two are not comparable."""


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
