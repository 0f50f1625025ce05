"""Backbones that MMDetection and MMPretrain lack."""

from .ibn import IBN
from .multi_granularity_resnet_ibn import MultiGranularityResNetIBN
from .non_local_resnet_ibn import NonLocalBlock, NonLocalResNetIBN
from .resnet_ibn import ResNetIBN

__all__ = ["IBN", "MultiGranularityResNetIBN", "NonLocalBlock", "NonLocalResNetIBN", "ResNetIBN"]
