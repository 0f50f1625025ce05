"""Command-line arguments of data sets."""

from argparse import ArgumentParser, Namespace

from mmpersonsearch.datasets import CocoPersonSearchDataset, CUHKSYSUDataset, PersonSearchDataset, PRWDataset


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
    """Build the data set of the command line without a pipeline; COCO's identities are contiguous in any split."""
    if args.dataset == "PRW":
        return PRWDataset(args.data_root, args.split, args.query_file or "query_info.txt")
    if args.dataset == "CUHK-SYSU":
        return CUHKSYSUDataset(args.data_root, args.split)
    prefix, metainfo = dict(img_path=args.img_prefix), dict(classes=(args.class_name,))
    return CocoPersonSearchDataset(args.data_root, args.ann_file or "", data_prefix=prefix, metainfo=metainfo)
