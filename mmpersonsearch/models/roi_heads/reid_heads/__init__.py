"""Re-ID heads: feature maps of persons to embeddings and identity losses."""

from .pair_reid_head import PairReIDHead
from .reid_head import OIMReIDHead, ReIDHead, SoftmaxReIDHead

__all__ = ["OIMReIDHead", "PairReIDHead", "ReIDHead", "SoftmaxReIDHead"]
