"""Person search data sets PRW, CUHK-SYSU and COCO, their transforms and samplers."""

from mmpersonsearch.registry import import_mmdet

import_mmdet()  # hides its notices

from .coco import CocoPersonSearchDataset
from .cuhk_sysu import CUHKSYSUDataset
from .joint import JointPersonSearchDataset
from .person_search_dataset import PersonSearchDataset
from .prw import PRWDataset
from .samplers import PKSampler
from .transforms import LoadPersonSearchAnnotations, LoadSceneImage, PackPersonSearchInputs

__all__ = [
    "CUHKSYSUDataset",
    "CocoPersonSearchDataset",
    "JointPersonSearchDataset",
    "LoadPersonSearchAnnotations",
    "LoadSceneImage",
    "PKSampler",
    "PRWDataset",
    "PackPersonSearchInputs",
    "PersonSearchDataset",
]
