"""Cloth-irrelevant spatial attention (CSA) of DeSKPro's body stream, and the loss that guides it by clothes masks."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmdet.structures import ReIDDataSample
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmpersonsearch.models.backbones import MultiBranchOSNet
from mmpersonsearch.models.reid import LightMBN
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.errors import InputError


class ClothIrrelevantAttention(BaseModule):
    """CSA (equation 1): a point-wise convolution with bias to one channel, then a sigmoid.

    Args:
        channels: Channels of the map.
        hidden_layer: The authors' code has two bias-free point-wise convolutions, the first of which keeps the
            channels, with a ReLU between.
    """

    def __init__(self, channels: int, hidden_layer: bool = False) -> None:
        super().__init__(dict(type="Kaiming", layer="Conv2d", mode="fan_in"))
        layers = [nn.Conv2d(channels, channels, 1, bias=False), nn.ReLU()] if hidden_layer else []
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, 1, 1, bias=not hidden_layer))

    def forward(self, maps: Tensor) -> Tensor:
        """Compute the (N, 1, h, w) attention, in (0, 1), of (N, channels, h, w) maps."""
        return self.layers(maps).sigmoid()


@MODELS.register_module()
class AttentiveOSNet(MultiBranchOSNet):
    """LightMBN's backbone with CSA between stem and branches, as in DeSKPro's figure 2.

    Args:
        hidden_layer: See :class:`ClothIrrelevantAttention`.
        kwargs: See :class:`mmpersonsearch.models.backbones.MultiBranchOSNet`.
    """

    def __init__(self, hidden_layer: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attention = ClothIrrelevantAttention(self.stem.out_channels, hidden_layer)

    def attend(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the stem's map times its attention (equation 2), (N, C, H / 8, W / 8), and the attention."""
        (shared,) = self.stem(images)
        attention = self.attention(shared)
        return shared * attention, attention

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the branches' three (N, C, H / 16, W / 16) maps of (N, 3, H, W) images."""
        return self.forward_branches(self.attend(images)[0])


def mask_guided_attention(
    attention: Tensor, cloth_masks: Tensor, eps: float = 0.1, raise_zeros_only: bool = False
) -> Tensor:
    """L_att of DeSKPro (equations 3 and 4): mean square error of the attention to the cloth-irrelevant mask.

    The mask is ``eps`` on clothes and 1 elsewhere, resized bilinearly to the attention's size; the mean is over
    positions and batch.

    Args:
        attention: (N, 1, h, w).
        cloth_masks: (N, 1, H, W), 1 on clothes, 0 elsewhere.
        eps: The attention that clothes should get.
        raise_zeros_only: The authors' code resizes a mask of 0 on clothes, and sets only exact zeros of the result to
            ``eps``.

    Returns:
        Scalar.
    """
    lowest = 0.0 if raise_zeros_only else eps
    target = 1 - (1 - lowest) * cloth_masks.to(attention)
    target = F.interpolate(target, size=attention.shape[2:], mode="bilinear", align_corners=False)
    if raise_zeros_only:
        target = target.masked_fill(target == 0, eps)
    return F.mse_loss(attention, target)


@MODELS.register_module()
class MaskGuidedAttentionLoss(nn.Module):
    """:func:`mask_guided_attention`, whose arguments are this one's, times ``loss_weight`` (lambda of equation 7)."""

    def __init__(self, eps: float = 0.1, raise_zeros_only: bool = False, loss_weight: float = 7.0) -> None:
        super().__init__()
        self.eps, self.raise_zeros_only, self.loss_weight = eps, raise_zeros_only, loss_weight

    def forward(self, attention: Tensor, cloth_masks: Tensor) -> Tensor:
        """See :func:`mask_guided_attention`."""
        return self.loss_weight * mask_guided_attention(attention, cloth_masks, self.eps, self.raise_zeros_only)


@MODELS.register_module()
class MaskGuidedLightMBN(LightMBN):
    """DeSKPro's body stream (section 2.1): LightMBN on an :class:`AttentiveOSNet` that clothes masks guide.

    Args:
        loss_attention: Config of the loss of (N, 1, h, w) attention and (N, 1, H, W) masks.
        kwargs: See :class:`mmpersonsearch.models.reid.LightMBN`.
    """

    def __init__(self, loss_attention: dict, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.loss_attention = MODELS.build(loss_attention)

    def loss(self, inputs: Tensor, data_samples: list[ReIDDataSample]) -> dict[str, Tensor]:
        """Compute ``loss_attention`` and the head's losses of (N, 3, H, W) images.

        Raises:
            InputError: A data sample has no ``gt_cloth_mask``.
        """
        for sample in data_samples:
            if "gt_cloth_mask" not in sample:
                raise InputError(
                    f"{sample.get('img_path', 'a data sample')} has no clothes mask, which loss_attention needs: set "
                    "train_dataloader.dataset.load_masks=True"
                )
        masks = torch.stack([sample.gt_cloth_mask.mask for sample in data_samples])
        refined, attention = self.backbone.attend(inputs)
        losses = self.head.loss(self.backbone.forward_branches(refined), data_samples)
        return dict(losses, loss_attention=self.loss_attention(attention, masks))
