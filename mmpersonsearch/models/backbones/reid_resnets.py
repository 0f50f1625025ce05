"""ResNet-IBNs of Re-ID models: three branches (MGN), non-local attention (AGW)."""

from __future__ import annotations

from typing import Any

from mmcv.cnn import NonLocal2d
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.errors import InputError

from .resnet_ibn import ResNetIBN


@MODELS.register_module()
class MultiGranularityResNetIBN(BaseModule):
    """Backbone of the Multiple Granularity Network (MGN, Wang et al., ACM MM 2018, section 3.1).

    One trunk up to conv4_1, then three branches with the other blocks of conv4_x and conv5_x, each with its own
    weights. The first, global one downsamples in conv5_1; the others, whose maps are cut into stripes, do not.
    Pretrained weights fill trunk and branches.

    Args:
        depth: See :class:`ResNetIBN`, as are the others.
        init_cfg: Initialization of trunk and branches.
        kwargs: ``ibn_stages``, ``stem_relu`` and ``stem_padding``.
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
        """Compute the branches' maps of (N, 3, H, W) images: (N, C, H / 32, W / 32), two (N, C, H / 16, W / 16)."""
        (shared,) = self.trunk(x)
        return tuple(branch(shared) for branch in self.branches)


class NonLocalBlock(NonLocal2d):
    """Non-local block (Wang et al., CVPR 2018) as in AGW's and fast-reid's published networks.

    z = x + BN(W y), y the mean over all positions of (theta x)(phi x) g(x). As in their code there is one inner channel
    (``reduc_ratio // reduc_ratio``). It starts as the identity.

    Args:
        in_channels: Channels of the map.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__(in_channels, reduction=in_channels, mode="dot_product", norm_cfg=dict(type="BN"))
        # A bias before a batch norm has no effect in training, but the published weights have it.
        self.conv_out.conv = nn.Conv2d(self.inter_channels, in_channels, kernel_size=1)


@MODELS.register_module()
class NonLocalResNetIBN(ResNetIBN):
    """:class:`ResNetIBN` with a non-local block after each of the last blocks of some stages.

    AGW (Ye et al., "Deep Learning for Person Re-identification: A Survey and Outlook", TPAMI 2021) has two in conv3_x
    and three in conv4_x of a ResNet-50. Pretrained weights fill all but the non-local blocks.

    Args:
        depth: See :class:`ResNetIBN`, as are ``kwargs``.
        num_non_local: Number of non-local blocks in stages 1 to 4.
        kwargs: Others.

    Raises:
        InputError: Not four numbers, or more non-local blocks than a stage has blocks.
    """

    not_pretrained = rf"{ResNetIBN.not_pretrained}|^non_local"

    def __init__(self, depth: int, num_non_local: tuple[int, ...] = (0, 2, 3, 0), **kwargs: Any) -> None:
        super().__init__(depth=depth, **kwargs)
        num_blocks = self.arch_settings[depth][1]
        if len(num_non_local) != 4 or any(not 0 <= n <= most for n, most in zip(num_non_local, num_blocks)):
            raise InputError(
                f"NonLocalResNetIBN: num_non_local must be four numbers of at most {num_blocks}, the blocks of the "
                f"stages of depth {depth}; got {tuple(num_non_local)}"
            )
        for stage in self.stages:
            channels = 32 * 2**stage * self.expansion
            blocks = [NonLocalBlock(channels) for _ in range(num_non_local[stage - 1])]
            # MMEngine's list lets the blocks initialize themselves, after the ResNet's layers.
            self.add_module(f"non_local{stage}", ModuleList(blocks))

    def _forward_stage(self, stage: int, x: Tensor) -> Tensor:
        blocks, attentions = getattr(self, f"layer{stage}"), getattr(self, f"non_local{stage}")
        first = len(blocks) - len(attentions)
        for i, block in enumerate(blocks):
            x = block(x)
            if i >= first:
                x = attentions[i - first](x)
        return x
