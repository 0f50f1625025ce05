"""Fully connected layers of VGG-16 in a RoI head."""

from mmengine.model import Sequential
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS


@MODELS.register_module()
class FCLayers(Sequential):
    """Two fully connected layers with ReLU and dropout (I-Net), in place of a network's last stage.

    They are numbered as in VGG's classifier: ImageNet's fc6 and fc7 load without renaming for 512 x 7 x 7 RoI maps.

    Args:
        in_channels: Channels of the RoI maps.
        roi_feat_size: Their (height, width).
        out_channels: Width of both layers.
        init_cfg: See MMEngine; random (Xavier) by default.
    """

    def __init__(
        self,
        in_channels: int,
        roi_feat_size: tuple[int, int],
        out_channels: int = 4096,
        init_cfg: dict | None = None,
    ) -> None:
        height, width = roi_feat_size
        self.out_channels = out_channels
        super().__init__(
            nn.Linear(in_channels * height * width, out_channels),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(out_channels, out_channels),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            init_cfg=init_cfg or dict(type="Xavier", layer="Linear"),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, height, width) to (N, out_channels, 1, 1), as a stage would."""
        return super().forward(x.flatten(1))[:, :, None, None]
