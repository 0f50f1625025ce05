"""Backbones that MMDetection and MMPretrain lack."""

from .osnet import MultiBranchOSNet, OSBlock, OSNet
from .qsse import QSSE
from .reid_resnets import MultiGranularityResNetIBN, NonLocalBlock, NonLocalResNetIBN
from .resnet_ibn import IBN, KnowledgeTransferBridge, ResNetIBN

__all__ = [
    "IBN",
    "QSSE",
    "KnowledgeTransferBridge",
    "MultiBranchOSNet",
    "MultiGranularityResNetIBN",
    "NonLocalBlock",
    "NonLocalResNetIBN",
    "OSBlock",
    "OSNet",
    "ResNetIBN",
]
