"""Command-line arguments that name a data set."""

from argparse import ArgumentParser, Namespace

from mmpersonsearch.datasets import PersonSearchDataset
from mmpersonsearch.datasets.build import build_dataset


def add_dataset_arguments(parser: ArgumentParser, names: tuple[str, ...]) -> None:
    """Add the arguments from which :func:`dataset_of` builds a data set."""
    parser.add_argument("--dataset", required=True, choices=names)
    parser.add_argument("--data-root", required=True, help="folder of the data set")
    parser.add_argument("--split", required=True, choices=("train", "test"))
    parser.add_argument("--query-file", help="PRW: file of the test split's queries (query_info.txt)")
    if "COCO" in names:
        parser.add_argument("--ann-file", help="COCO: json of annotations")
        parser.add_argument("--img-prefix", default="", help="COCO: folder of the images in the data root")
        parser.add_argument("--class-name", default="person", help="COCO: what is annotated")


def dataset_of(args: Namespace) -> PersonSearchDataset:
    """Build the data set of the command line."""
    names = ("query_file", "ann_file", "img_prefix", "class_name")
    options = {name: getattr(args, name) for name in names if hasattr(args, name)}
    return build_dataset(args.dataset, args.data_root, args.split, **options)
