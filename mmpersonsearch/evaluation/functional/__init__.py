"""Evaluation as functions: arrays in, figures out."""

from .curves import DetectionCurve, SearchCurve, detection_curve, search_curve
from .detection import DetectionResult, evaluate_detections
from .ranking_list import RankingList, rank_gallery
from .search import SearchResult, evaluate_search, evaluate_searches

__all__ = [
    "DetectionCurve",
    "DetectionResult",
    "RankingList",
    "SearchCurve",
    "SearchResult",
    "detection_curve",
    "evaluate_detections",
    "evaluate_search",
    "evaluate_searches",
    "rank_gallery",
    "search_curve",
]
