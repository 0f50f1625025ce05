"""How person search is judged: evaluation functions and rankings; the metrics are in ``evaluation.metrics``."""

from .curves import DetectionCurve, SearchCurve, detection_curve, search_curve
from .detection import DetectionResult, evaluate_detections
from .ranking_list import rank_gallery
from .rankings import BaseRanking, ContextBipartiteGraphMatching, RankingWithContextPersons
from .search import SearchResult, evaluate_search, evaluate_searches

__all__ = [
    "BaseRanking",
    "ContextBipartiteGraphMatching",
    "DetectionCurve",
    "DetectionResult",
    "RankingWithContextPersons",
    "SearchCurve",
    "SearchResult",
    "detection_curve",
    "evaluate_detections",
    "evaluate_search",
    "evaluate_searches",
    "rank_gallery",
    "search_curve",
]
