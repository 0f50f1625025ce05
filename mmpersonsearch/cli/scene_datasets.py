"""Command-line arguments of data sets."""

from argparse import ArgumentParser, Namespace

from mmpersonsearch.datasets import CocoPersonSearchDataset, CUHKSYSUDataset, PersonSearchDataset, PRWDataset
from mmpersonsearch.utils.errors import InputError

from .command_line import read_variable

_ROOTS = {"PRW": ("PRW_ROOT", "data/PRW/"), "CUHK-SYSU": ("CUHK_ROOT", "data/CUHK-SYSU/")}  # as in the configs


def add_dataset_arguments(parser: ArgumentParser, names: tuple[str, ...]) -> None:
    """Add the arguments of :func:`dataset_of`."""
    parser.add_argument("--dataset", required=True, choices=names)
    parser.add_argument("--data-root", help="folder of the data set; of PRW and CUHK-SYSU by default the configs'")
    parser.add_argument("--split", required=True, choices=("train", "test"))
    parser.add_argument("--query-file", help="PRW: file of the test queries (query_info.txt)")
    if "COCO" in names:
        parser.add_argument("--ann-file", help="COCO: JSON file of annotations")
        parser.add_argument("--img-prefix", default="", help="COCO: folder of the images, relative to the data root")
        parser.add_argument("--class-name", default="person", help="COCO: name of the annotated class")


def dataset_of(args: Namespace) -> PersonSearchDataset:
    """Build the data set of the command line without a pipeline; COCO's identities are contiguous in any split."""
    root = args.data_root or _default_root(args.dataset)
    if args.dataset == "PRW":
        return PRWDataset(root, args.split, args.query_file or "query_info.txt")
    if args.dataset == "CUHK-SYSU":
        return CUHKSYSUDataset(root, args.split)
    prefix, metainfo = dict(img_path=args.img_prefix), dict(classes=(args.class_name,))
    return CocoPersonSearchDataset(root, args.ann_file or "", data_prefix=prefix, metainfo=metainfo)


def _default_root(dataset: str) -> str:
    if dataset not in _ROOTS:
        raise InputError(f"--data-root is missing, expected the folder of the {dataset} data set")
    return read_variable(*_ROOTS[dataset])
