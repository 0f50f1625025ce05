"""How person search is judged: evaluation functions, rankings and the metric."""

from mmpersonsearch.evaluation.curves import DetectionCurve, SearchCurve, detection_curve, search_curve
from mmpersonsearch.evaluation.detection import DetectionResult, evaluate_detections
from mmpersonsearch.evaluation.ranking_list import RankingList, rank_gallery
from mmpersonsearch.evaluation.search import SearchResult, evaluate_search, evaluate_searches

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
