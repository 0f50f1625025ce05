"""Re-ID heads: feature maps of persons to embeddings and identity losses."""

from .oim_reid_head import OIMReIDHead
from .pair_reid_head import PairReIDHead
from .reid_head import ReIDHead
from .softmax_reid_head import SoftmaxReIDHead

__all__ = ["OIMReIDHead", "PairReIDHead", "ReIDHead", "SoftmaxReIDHead"]
