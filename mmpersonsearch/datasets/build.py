"""Data sets by the name that papers use."""

from __future__ import annotations

from mmpersonsearch.utils.errors import InputError

from .coco import CocoPersonSearchDataset
from .cuhk_sysu import CUHKSYSUDataset
from .person_search_dataset import PersonSearchDataset
from .prw import PRWDataset


def build_dataset(
    name: str,
    data_root: str,
    split: str,
    query_file: str | None = None,
    ann_file: str | None = None,
    img_prefix: str = "",
    class_name: str = "person",
) -> PersonSearchDataset:
    """Build a split of ``'PRW'``, ``'CUHK-SYSU'`` or ``'COCO'`` without a pipeline.

    ``query_file`` is PRW's, if not its own. The others are COCO's: json of annotations, folder of the images in the
    data root, and what is annotated; COCO's persons are read alike, under contiguous numbers, whatever the split.

    Raises:
        FileNotFoundError: A file of the data set is missing.
        InputError: The content of a file is wrong, or there is no such data set.
    """
    if name == "PRW":
        queries = {} if query_file is None else dict(query_file=query_file)
        return PRWDataset(data_root=data_root, split=split, **queries)
    if name == "CUHK-SYSU":
        return CUHKSYSUDataset(data_root=data_root, split=split)
    if name == "COCO":
        return CocoPersonSearchDataset(
            data_root=data_root,
            ann_file=ann_file or "",
            data_prefix=dict(img_path=img_prefix),
            metainfo=dict(classes=(class_name,)),
        )
    raise InputError(f"data set {name!r}, expected 'PRW', 'CUHK-SYSU' or 'COCO'")
