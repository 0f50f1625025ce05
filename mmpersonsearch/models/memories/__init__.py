"""Memories of features that outlive a batch; exact under distribution."""

from .circular_queue import CircularQueue
from .lookup_table import LookupTable

__all__ = ["CircularQueue", "LookupTable"]
