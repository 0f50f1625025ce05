"""Re-ID heads: feature maps of persons to embeddings and identity losses."""

from .oim_reid_head import OIMReIDHead
from .reid_head import ReIDHead
from .softmax_reid_head import SoftmaxReIDHead

__all__ = ["OIMReIDHead", "ReIDHead", "SoftmaxReIDHead"]
