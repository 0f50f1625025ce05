"""How person search is judged: evaluation functions, rankings and the metric."""

from .functional import (
    DetectionCurve,
    DetectionResult,
    RankingList,
    SearchCurve,
    SearchResult,
    detection_curve,
    evaluate_detections,
    evaluate_search,
    evaluate_searches,
    rank_gallery,
    search_curve,
)
from .metrics import PersonSearchMetric
from .rankings import BaseRanking, ContextBipartiteGraphMatching, RankingWithContextPersons

__all__ = [
    "BaseRanking",
    "ContextBipartiteGraphMatching",
    "DetectionCurve",
    "DetectionResult",
    "PersonSearchMetric",
    "RankingList",
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
