"""Plain dataclasses that data sets, models, evaluation and visualization share."""

from .pair_images import PairImages
from .search_protocol import AllImages, CrossCamera, ImageList, Listed, Query, RankingList, SceneImage, SearchProtocol

__all__ = [
    "AllImages",
    "CrossCamera",
    "ImageList",
    "Listed",
    "PairImages",
    "Query",
    "RankingList",
    "SceneImage",
    "SearchProtocol",
]
