"""Heads of Re-ID models."""

from .bnneck_reid_head import BNNeckReIDHead
from .mgn_reid_head import MGNReIDHead

__all__ = ["BNNeckReIDHead", "MGNReIDHead"]
