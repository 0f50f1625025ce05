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

    ``query_file`` is for PRW, by default its own. The other arguments are for COCO: json of annotations, folder of the
    images in the data root, and the annotated class; its persons get contiguous numbers, whatever the split. For
    errors see :class:`PersonSearchDataset`.
    """
    if name == "PRW":
        return PRWDataset(data_root, split, query_file or "query_info.txt")
    if name == "CUHK-SYSU":
        return CUHKSYSUDataset(data_root, split)
    if name == "COCO":
        prefix, metainfo = dict(img_path=img_prefix), dict(classes=(class_name,))
        return CocoPersonSearchDataset(data_root, ann_file or "", data_prefix=prefix, metainfo=metainfo)
    raise InputError(f"data set {name!r}, expected 'PRW', 'CUHK-SYSU' or 'COCO'")
