"""Metrics for MMEngine's runner."""

from .pair_search import PairSearchMetric
from .person_search import DetectionMetric, PersonSearchMetric

__all__ = ["DetectionMetric", "PairSearchMetric", "PersonSearchMetric"]
