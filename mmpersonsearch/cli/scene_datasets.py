"""The data sets that converters read, by the name on the command line."""

from argparse import ArgumentParser, Namespace

from mmpersonsearch.datasets import (
    CocoPersonSearchDataset,
    CUHKSYSUDataset,
    PersonSearchDataset,
    PRWDataset,
)


def add_dataset_arguments(parser: ArgumentParser, names: tuple[str, ...]) -> None:
    """Adds the arguments from which :func:`build_dataset` builds a data set."""
    parser.add_argument("--dataset", required=True, choices=names)
    parser.add_argument("--data-root", required=True, help="folder of the data set")
    parser.add_argument("--split", required=True, choices=("train", "test"))
    if "PRW" in names:
        parser.add_argument("--query-file", help="PRW's test split, COCO: file of queries (PRW: query_info.txt)")
    if "COCO" in names:
        parser.add_argument("--ann-file", help="COCO: json of annotations")
        parser.add_argument("--img-prefix", default="", help="COCO: folder of the images in the data root")
        parser.add_argument("--class-name", default="person", help="COCO: what is annotated")


def build_dataset(args: Namespace) -> PersonSearchDataset:
    """The data set of the command line."""
    if args.dataset == "PRW":
        query_file = dict(query_file=args.query_file) if args.query_file else {}
        return PRWDataset(data_root=args.data_root, split=args.split, **query_file)
    if args.dataset == "CUHK-SYSU":
        return CUHKSYSUDataset(data_root=args.data_root, split=args.split)
    if not args.ann_file:
        raise SystemExit("--dataset COCO needs --ann-file")
    # To this data set, queries tell a test split from a training split, which the crops do not depend on.
    return CocoPersonSearchDataset(
        data_root=args.data_root,
        ann_file=args.ann_file,
        data_prefix=dict(img_path=args.img_prefix),
        metainfo=dict(classes=(args.class_name,)),
    )
