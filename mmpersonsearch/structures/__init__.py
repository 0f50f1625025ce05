"""Plain dataclasses that data sets, models, evaluation and visualization share."""

from .search_protocol import AllImages, CrossCamera, ImageList, Listed, Query, RankingList, SceneImage, SearchProtocol

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
