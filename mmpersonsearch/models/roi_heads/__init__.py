"""RoI heads that detect persons and embed them."""

from . import bbox_heads, reid_heads
from .coupled_roi_head import CoupledRoIHead
from .disentangled_roi_head import DisentangledRoIHead
from .fc_layers import FCLayers
from .person_search_roi_head import PersonSearchRoIHead
from .qsimnet import QSimNet
from .query_guided_roi_head import QueryGuidedRoIHead
from .single_roi_extractor import SingleRoIExtractor

__all__ = [
    "CoupledRoIHead",
    "DisentangledRoIHead",
    "FCLayers",
    "PersonSearchRoIHead",
    "QSimNet",
    "QueryGuidedRoIHead",
    "SingleRoIExtractor",
    "bbox_heads",
    "reid_heads",
]
