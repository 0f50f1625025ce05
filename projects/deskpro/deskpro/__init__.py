"""DeSKPro: Re-ID of persons who change clothes, by body and face."""

from .attention import AttentiveOSNet, MaskGuidedAttentionLoss, MaskGuidedLightMBN
from .body_teacher import BodyTeacher
from .datasets import ClothesChangingDataset
from .transforms import CropStreams, EraseStreams, FlipStreams, LoadStreams, PackStreams
from .two_stream_reid import FacialKnowledgePropagationLoss, StreamsDataPreprocessor, TwoStreamReID

__all__ = [
    "AttentiveOSNet",
    "BodyTeacher",
    "ClothesChangingDataset",
    "CropStreams",
    "EraseStreams",
    "FacialKnowledgePropagationLoss",
    "FlipStreams",
    "LoadStreams",
    "MaskGuidedAttentionLoss",
    "MaskGuidedLightMBN",
    "PackStreams",
    "StreamsDataPreprocessor",
    "TwoStreamReID",
]
