"""Backbones that MMDetection and MMPretrain lack."""

from .resnet_ibn import IBN, ResNetIBN

__all__ = ["IBN", "ResNetIBN"]
