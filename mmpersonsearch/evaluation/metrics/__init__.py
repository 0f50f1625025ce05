"""Metrics for MMEngine's runner."""

from .detection_metric import DetectionMetric
from .person_search_metric import PersonSearchMetric

__all__ = ["DetectionMetric", "PersonSearchMetric"]
