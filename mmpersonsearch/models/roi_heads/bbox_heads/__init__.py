"""Box heads: feature maps of RoIs to classes and boxes."""

from .feature_decomposition_bbox_head import ConvDecompositionBBoxHead, ConvPooling, FeatureDecompositionBBoxHead
from .pooled_bbox_head import PooledBBoxHead

__all__ = ["ConvDecompositionBBoxHead", "ConvPooling", "FeatureDecompositionBBoxHead", "PooledBBoxHead"]
