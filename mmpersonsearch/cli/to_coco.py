"""Convert a split of PRW, CUHK-SYSU or PoseTrack21 to COCO format, as CocoPersonSearchDataset reads it.

Writes ``<out>/<split>.json`` and, for the test split, ``<out>/<split>_queries.json``. Identities keep the numbers of
the data set; unlabelled persons have -1.

    mmpersonsearch to-coco --dataset PRW --data-root data/PRW --split test --out data/PRW_coco
    mmpersonsearch to-coco --dataset PoseTrack21 --data-root data/PoseTrack21 --split train --out data/PoseTrack21/coco
"""

import io
import json
from contextlib import redirect_stdout
from pathlib import Path

from pycocotools.coco import COCO

from mmpersonsearch.datasets.coco import convert_to_coco
from mmpersonsearch.datasets.posetrack21 import convert_posetrack21
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import check_folder

from .command_line import exit_on_bad_input, make_parser
from .scene_datasets import add_dataset_arguments, dataset_of

LOSS = """CUHK-SYSU loses its protocol, in which each query has its own gallery list. In COCO format, as in PRW, the
gallery of a query is all test images but its own. Metrics of the two are not comparable."""


def check_index(path: Path) -> None:
    """Raise InputError, which names the entry, if pycocotools reads annotations otherwise than they were written."""
    with redirect_stdout(io.StringIO()):  # it prints its progress
        index = COCO(str(path))
    for name, found in (("images", index.imgs), ("annotations", index.anns)):
        for i, entry in enumerate(json.loads(path.read_text())[name]):
            if found.get(entry["id"]) != entry:
                raise InputError(f"{path}, {name}[{i}]: pycocotools reads {found.get(entry['id'])}, expected {entry}")


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("to-coco", f"{__doc__}\n{LOSS}")
    add_dataset_arguments(parser, ("PRW", "CUHK-SYSU", "PoseTrack21"))
    parser.add_argument("--out", required=True, type=Path, help="folder of the json files")
    args = parser.parse_args(argv)
    if args.dataset == "CUHK-SYSU" and args.split == "test":
        print(LOSS)
    with exit_on_bad_input("mmpersonsearch to-coco"):
        check_folder(args.out)
        if args.dataset == "PoseTrack21":
            files, notes = convert_posetrack21(Path(args.data_root), args.split, args.out)
        else:
            files, notes = convert_to_coco(dataset_of(args), args.out), []
        check_index(files[0])
        for path in files:
            print(f"wrote {path}")
        print(*notes, sep="\n", end="\n" if notes else "")
