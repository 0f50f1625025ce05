"""Command-line arguments of data sets."""

from argparse import ArgumentParser, Namespace

from mmpersonsearch.datasets import PersonSearchDataset
from mmpersonsearch.datasets.build import build_dataset


def add_dataset_arguments(parser: ArgumentParser, names: tuple[str, ...]) -> None:
    """Add the arguments of :func:`dataset_of`."""
    parser.add_argument("--dataset", required=True, choices=names)
    parser.add_argument("--data-root", required=True, help="folder of the data set")
    parser.add_argument("--split", required=True, choices=("train", "test"))
    parser.add_argument("--query-file", help="PRW: file of the test queries (query_info.txt)")
    if "COCO" in names:
        parser.add_argument("--ann-file", help="COCO: JSON file of annotations")
        parser.add_argument("--img-prefix", default="", help="COCO: folder of the images, relative to the data root")
        parser.add_argument("--class-name", default="person", help="COCO: name of the annotated class")


def dataset_of(args: Namespace) -> PersonSearchDataset:
    """Build the data set that the arguments name."""
    names = ("query_file", "ann_file", "img_prefix", "class_name")
    options = {name: getattr(args, name) for name in names if hasattr(args, name)}
    return build_dataset(args.dataset, args.data_root, args.split, **options)
