"""Memories of features that outlive a batch; exact under distribution."""

from .circular_queue import CircularQueue
from .class_centers import ClassCenters
from .feature_dictionary import FeatureDictionary
from .lookup_table import LookupTable

__all__ = ["CircularQueue", "ClassCenters", "FeatureDictionary", "LookupTable"]
