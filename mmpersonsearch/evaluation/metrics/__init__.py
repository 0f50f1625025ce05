"""Metrics for MMEngine's runner."""

from .pair_search import PairSearchMetric
from .person_search import DetectionMetric, PersonSearchMetric
from .reid import ReIDMetric

__all__ = ["DetectionMetric", "PairSearchMetric", "PersonSearchMetric", "ReIDMetric"]
