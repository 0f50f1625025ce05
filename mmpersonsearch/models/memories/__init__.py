"""Memories of features that outlive a batch; exact under distribution."""

from .circular_queue import CircularQueue, FeatureDictionary
from .lookup_table import ClassCenters, LookupTable

__all__ = ["CircularQueue", "ClassCenters", "FeatureDictionary", "LookupTable"]
