"""Metrics for MMEngine's runner."""

from .person_search_metric import PersonSearchMetric

__all__ = ["PersonSearchMetric"]
