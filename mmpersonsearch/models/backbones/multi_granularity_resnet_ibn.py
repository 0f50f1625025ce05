"""ResNet-IBN with three branches (MGN)."""

from __future__ import annotations

from typing import Any

from mmengine.model import BaseModule, ModuleList
from torch import Tensor

from mmpersonsearch.registry import MODELS

from .resnet_ibn import ResNetIBN


@MODELS.register_module()
class MultiGranularityResNetIBN(BaseModule):
    """Backbone of the Multiple Granularity Network (MGN, Wang et al., ACM MM 2018, section 3.1).

    One trunk up to conv4_1, behind it three branches with the other blocks of conv4_x and conv5_x, each with weights
    of its own. The first, global one downsamples in conv5_1; the others, whose maps are cut into stripes, do not.
    Pretrained weights fill trunk and branches alike.

    Args:
        depth: As :class:`ResNetIBN`'s.
        init_cfg: As :class:`ResNetIBN`'s, for trunk and branches.
        kwargs: ``ibn_stages``, ``stem_relu`` and ``stem_padding``: see :class:`ResNetIBN`.
    """

    last_strides = (2, 1, 1)

    def __init__(self, depth: int, init_cfg: dict | None = None, **kwargs: Any) -> None:
        super().__init__()
        kwargs.update(depth=depth, init_cfg=init_cfg)
        self.trunk = ResNetIBN(stages=(1, 2, 3), stage_blocks={3: (0, 1)}, **kwargs)
        self.branches = ModuleList(
            ResNetIBN(stages=(3, 4), stage_blocks={3: (1, None)}, last_stride=stride, **kwargs)
            for stride in self.last_strides
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the maps of the branches.

        Args:
            x: (N, 3, H, W) images.

        Returns:
            (N, C, H / 32, W / 32) of the global branch, then two (N, C, H / 16, W / 16).
        """
        (shared,) = self.trunk(x)
        return tuple(branch(shared) for branch in self.branches)
