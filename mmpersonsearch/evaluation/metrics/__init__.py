"""Metrics for MMEngine's runner."""

from .person_search import DetectionMetric, PersonSearchMetric

__all__ = ["DetectionMetric", "PersonSearchMetric"]
