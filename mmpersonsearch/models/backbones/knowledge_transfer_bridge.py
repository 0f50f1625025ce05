"""KTB: what lets the Re-ID branch see the teacher's input."""

from torch import Tensor

from mmpersonsearch.registry import MODELS

from .resnet_ibn import ResNetIBN


@MODELS.register_module()
class KnowledgeTransferBridge(ResNetIBN):
    """Knowledge Transfer Bridge of TDN (section III-A): Part-1's structure on fixed-size person crops.

    Its weights are its own, so that the detection branch is not entangled.

    Args:
        depth: Depth of the ResNet-IBN, as Part-1's.
        stages: Stages, as Part-1's.
        init_cfg: As :class:`ResNetIBN`'s.
    """

    def __init__(self, depth: int, stages: tuple[int, ...] = (1, 2), init_cfg: dict | None = None) -> None:
        super().__init__(depth=depth, stages=stages, init_cfg=init_cfg)

    def forward(self, crops: Tensor) -> Tensor:
        """Compute the transferring feature maps.

        Args:
            crops: (K, 3, H, W) normalized person crops, 256 x 128 in the paper.

        Returns:
            (K, C, H / 8, W / 8), to be added to the base feature maps of the same persons.
        """
        (maps,) = super().forward(crops)
        return maps
