"""Person search data sets PRW, CUHK-SYSU and COCO, their transforms and samplers."""

from .coco import CocoPersonSearchDataset
from .cuhk_sysu import CUHKSYSUDataset
from .person_search_dataset import PersonSearchDataset
from .prw import PRWDataset
from .samplers import PKSampler
from .transforms import LoadPersonSearchAnnotations, LoadSceneImage, PackPersonSearchInputs

__all__ = [
    "CUHKSYSUDataset",
    "CocoPersonSearchDataset",
    "LoadPersonSearchAnnotations",
    "LoadSceneImage",
    "PKSampler",
    "PRWDataset",
    "PackPersonSearchInputs",
    "PersonSearchDataset",
]
