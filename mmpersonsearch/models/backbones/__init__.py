"""Backbones that MMDetection and MMPretrain lack."""

from .ibn import IBN
from .knowledge_transfer_bridge import KnowledgeTransferBridge
from .multi_granularity_resnet_ibn import MultiGranularityResNetIBN
from .non_local_resnet_ibn import NonLocalBlock, NonLocalResNetIBN
from .resnet_ibn import ResNetIBN

__all__ = [
    "IBN",
    "KnowledgeTransferBridge",
    "MultiGranularityResNetIBN",
    "NonLocalBlock",
    "NonLocalResNetIBN",
    "ResNetIBN",
]
