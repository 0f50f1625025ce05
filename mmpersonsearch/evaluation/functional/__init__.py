"""Evaluation as functions: arrays in, figures out."""

from .detection import DetectionResult, evaluate_detections
from .ranking_list import RankingList, rank_gallery
from .search import SearchResult, evaluate_search, evaluate_searches

__all__ = [
    "DetectionResult",
    "RankingList",
    "SearchResult",
    "evaluate_detections",
    "evaluate_search",
    "evaluate_searches",
    "rank_gallery",
]
