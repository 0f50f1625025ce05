"""Evaluation functions of person search and Re-ID, and rankings; the metrics are in ``evaluation.metrics``."""

from .curves import DetectionCurve, SearchCurve, detection_curve, search_curve
from .detection import DetectionResult, evaluate_detections
from .index.pairs import QueryResults
from .pairs import evaluate_pair_search, evaluate_pair_searches
from .ranking_list import rank_gallery, rank_pairs
from .rankings import BaseRanking, ContextBipartiteGraphMatching, RankingWithContextPersons
from .reid import ReIDImages, evaluate_reid, rank_reid
from .search import SearchResult, evaluate_search, evaluate_searches

__all__ = [
    "BaseRanking",
    "ContextBipartiteGraphMatching",
    "DetectionCurve",
    "DetectionResult",
    "QueryResults",
    "RankingWithContextPersons",
    "ReIDImages",
    "SearchCurve",
    "SearchResult",
    "detection_curve",
    "evaluate_detections",
    "evaluate_pair_search",
    "evaluate_pair_searches",
    "evaluate_reid",
    "evaluate_search",
    "evaluate_searches",
    "rank_gallery",
    "rank_pairs",
    "rank_reid",
    "search_curve",
]
