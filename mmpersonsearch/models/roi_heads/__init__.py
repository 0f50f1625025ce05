"""RoI heads that detect persons and embed them."""

from . import reid_heads
from .coupled_roi_head import CoupledRoIHead
from .disentangled_roi_head import DisentangledRoIHead
from .person_search_roi_head import PersonSearchRoIHead

__all__ = ["CoupledRoIHead", "DisentangledRoIHead", "PersonSearchRoIHead", "reid_heads"]
