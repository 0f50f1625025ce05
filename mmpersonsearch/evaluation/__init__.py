"""How person search is judged: evaluation functions, rankings and the metric."""

from .functional import (
    DetectionResult,
    RankingList,
    SearchResult,
    evaluate_detections,
    evaluate_search,
    evaluate_searches,
    rank_gallery,
)
from .metrics import PersonSearchMetric
from .rankings import BaseRanking, RankingWithContextPersons

__all__ = [
    "BaseRanking",
    "DetectionResult",
    "PersonSearchMetric",
    "RankingList",
    "RankingWithContextPersons",
    "SearchResult",
    "evaluate_detections",
    "evaluate_search",
    "evaluate_searches",
    "rank_gallery",
]
