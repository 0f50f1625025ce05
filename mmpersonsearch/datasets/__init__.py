"""Person search data sets: how PRW, CUHK-SYSU and COCO-style annotations are read."""

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
