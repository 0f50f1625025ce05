"""Plain dataclasses that data sets, models, evaluation and visualization share."""

from .ranking_list import RankingList
from .search_protocol import AllImages, CrossCamera, ImageList, Listed, Query, SceneImage, SearchProtocol

__all__ = [
    "AllImages",
    "CrossCamera",
    "ImageList",
    "Listed",
    "Query",
    "RankingList",
    "SceneImage",
    "SearchProtocol",
]
