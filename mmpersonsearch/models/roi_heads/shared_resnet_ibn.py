"""The last stages of a ResNet, as part of a RoI head."""

from torch import Tensor

from mmpersonsearch.models.backbones import ResNetIBN
from mmpersonsearch.registry import MODELS


@MODELS.register_module()
class SharedResNetIBN(ResNetIBN):
    """:class:`ResNetIBN` as ``shared_head`` of MMDetection's RoI heads, which read one map instead of a tuple.

    Unlike ``mmdet.ResLayer`` it may be several stages, have IBN, and checks that the pretrained weights fill it.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Compute the last stage's (N, out_channels, h, w) map of (N, C, H, W) RoI maps."""
        return super().forward(x)[-1]
