"""Metrics for MMEngine's runner."""

from .detection import DetectionMetric
from .person_search import PersonSearchMetric

__all__ = ["DetectionMetric", "PersonSearchMetric"]
