"""Re-ID models: heads, and LightMBN."""

from .heads import BNNeckReIDHead, MGNReIDHead
from .light_mbn import LightMBN, LightMBNReIDHead, drop_top_rows

__all__ = ["BNNeckReIDHead", "LightMBN", "LightMBNReIDHead", "MGNReIDHead", "drop_top_rows"]
