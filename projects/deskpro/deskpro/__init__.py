"""DeSKPro: Re-ID of persons who change clothes, by body and face."""

from .datasets import ClothesChangingDataset
from .transforms import CropStreams, EraseStreams, FlipStreams, LoadStreams, PackStreams

__all__ = [
    "ClothesChangingDataset",
    "CropStreams",
    "EraseStreams",
    "FlipStreams",
    "LoadStreams",
    "PackStreams",
]
