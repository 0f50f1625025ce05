"""Box head on a RoI map that any layer has pooled."""

from typing import Any

from mmdet.models.roi_heads.bbox_heads import BBoxHead
from torch import Tensor

from mmpersonsearch.registry import MODELS


@MODELS.register_module()
class PooledBBoxHead(BBoxHead):
    """MMDetection's ``BBoxHead`` behind a pooling of the RoI map, which by itself knows the mean only.

    ``pooling=dict(type='torch.nn.AdaptiveMaxPool2d', output_size=1), roi_feat_size=1`` reads the maximum,
    ``pooling=dict(type='torch.nn.Flatten'), with_avg_pool=False`` the whole map.

    Args:
        pooling: Config of the layer.
        kwargs: See MMDetection's ``BBoxHead``; ``roi_feat_size`` is that of the pooled map.
    """

    def __init__(self, *, pooling: dict, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pooling = MODELS.build(pooling)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Predict (n, num_classes + 1) scores and (n, 4 * num_classes) deltas of (n, C, h, w) RoI maps."""
        return super().forward(self.pooling(x))
