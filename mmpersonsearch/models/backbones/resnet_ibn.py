"""ResNet with instance and batch normalization (IBN-Net), whole or cut into parts."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from mmdet.models.backbones.resnet import BasicBlock, Bottleneck
from mmdet.models.layers import ResLayer
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.forward_modes import batch_norms

from .instance_and_batch_norm import InstanceAndBatchNorm
from .pretrained import PretrainedModule, in_fast_layout


class IBN(nn.Module):
    """Instance norm on the first half of the channels, batch norm on the others (IBN-a).

    Args:
        channels: Number of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.half = channels // 2
        self.IN = nn.InstanceNorm2d(self.half, affine=True)
        self.BN = nn.BatchNorm2d(channels - self.half)

    def forward(self, x: Tensor) -> Tensor:
        """Normalize x of shape (N, channels, H, W); N may be 0, but not where ``BN`` is to take its statistics."""
        if not self.training:
            return self._scale_and_shift(x)
        # A batch norm that is synchronized or in eval mode has other statistics than the batch's; maps of one position
        # have no variance.
        if type(self.BN) is nn.BatchNorm2d and self.BN.training and x.size(2) * x.size(3) > 1:
            return self._normalize_in_one(x)
        instance, batch = x.split((self.half, x.size(1) - self.half), dim=1)
        return torch.cat((self._normalize_instances(instance), self.BN(batch)), dim=1)

    def _normalize_instances(self, x: Tensor) -> Tensor:
        if len(x) == 0:  # which PyTorch's instance norm refuses
            return x * self.IN.weight[:, None, None] + self.IN.bias[:, None, None]
        return self.IN(x)

    def _normalize_in_one(self, x: Tensor) -> Tensor:
        # PyTorch's instance norm reorders channels_last maps, and the next layers run on the other layout: on a CPU
        # it takes five times as long as this.
        weight = torch.cat((self.IN.weight, self.BN.weight))
        bias = torch.cat((self.IN.bias, self.BN.bias))
        y, mean, var = InstanceAndBatchNorm.apply(x, weight, bias, self.half, self.BN.eps)
        with torch.no_grad():
            number = len(x) * x.size(2) * x.size(3)
            self.BN.num_batches_tracked.add_(1)
            self.BN.running_mean.lerp_(mean[0, self.half :].to(self.BN.running_mean), self.BN.momentum)
            unbiased = var[0, self.half :] * (number / (number - 1))
            self.BN.running_var.lerp_(unbiased.to(self.BN.running_var), self.BN.momentum)
        return y

    def _scale_and_shift(self, x: Tensor) -> Tensor:
        # One pass for both norms saves copies of the halves; torch.var_mean takes seven times as long on a CPU as the
        # variance in two steps.
        instance = x[:, : self.half].to(torch.promote_types(x.dtype, torch.float32))
        mean = instance.mean((2, 3), keepdim=True)
        var = (instance - mean).square_().mean((2, 3))
        mean = mean[:, :, 0, 0]
        scale = self.IN.weight * (var + self.IN.eps).rsqrt()
        shift = self.IN.bias - mean * scale
        batch_scale = self.BN.weight * (self.BN.running_var + self.BN.eps).rsqrt()
        batch_shift = self.BN.bias - self.BN.running_mean * batch_scale
        scale = torch.cat((scale, batch_scale.expand(len(x), -1)), dim=1).to(x.dtype)
        shift = torch.cat((shift, batch_shift.expand(len(x), -1)), dim=1).to(x.dtype)
        return torch.addcmul(shift[:, :, None, None], x, scale[:, :, None, None])


@MODELS.register_module()
class ResNetIBN(PretrainedModule):
    """ResNet-IBN-a (Pan et al., ECCV 2018), or consecutive stages of it.

    In stages 1 to 3 (conv2_x to conv4_x) the first norm of each block is an :class:`IBN`. Parameters are named as
    in the published IBN-Net weights, so that these load without renaming, into a part of the network alike.

    Args:
        depth: 18, 34, 50 or 101.
        stages: Consecutive stages among 1 to 4. Stage 1 includes the stem (conv1, norm, max pooling).
        out_stages: With the stem, stages whose maps are returned; the last one by default.
        last_stride: Stride of stage 4; Re-ID models often take 1.
        stage_blocks: Blocks (first, end), as in a slice, by partly computed stage.
        ibn_stages: Stages whose blocks begin with an :class:`IBN`; ``()`` is the plain ResNet.
        stem_relu: Whether a ReLU follows the stem's norm; reid-strong-baseline and ReID-Survey trained without.
        stem_padding: Padding of the stem's max pooling. fast-reid's networks have 0 and round the size up.
        norm_eval: Whether batch norms keep their statistics in training; scales and shifts are still trained.
        frozen_stages: As in MMDetection's ``ResNet``: stages up to this one are not trained, and their norms stay in
            eval mode; 0 is the stem alone, -1 none.
        zero_init_residual: Whether random initialization sets the last norm of each block to 0, so that a block starts
            as the identity (Goyal et al., 2017).
        init_cfg: See :class:`PretrainedModule`; random weights are He et al.'s.

    Raises:
        InputError: Another depth; stages not consecutive among 1 to 4; an output stage that is not computed.
    """

    arch_settings = {
        18: (BasicBlock, (2, 2, 2, 2)),
        34: (BasicBlock, (3, 4, 6, 3)),
        50: (Bottleneck, (3, 4, 6, 3)),
        101: (Bottleneck, (3, 4, 23, 3)),
    }
    random_init = (
        dict(type="Kaiming", layer="Conv2d"),
        dict(type="Constant", val=1, layer=["BatchNorm2d", "InstanceNorm2d"]),
    )

    def __init__(
        self,
        depth: int,
        stages: tuple[int, ...] = (1, 2, 3, 4),
        out_stages: tuple[int, ...] | None = None,
        last_stride: int = 2,
        stage_blocks: dict[int, tuple[int, int | None]] | None = None,
        ibn_stages: tuple[int, ...] = (1, 2, 3),
        stem_relu: bool = True,
        stem_padding: int = 1,
        norm_eval: bool = False,
        frozen_stages: int = -1,
        zero_init_residual: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if depth not in self.arch_settings:
            raise InputError(f"ResNetIBN: depth must be one of {list(self.arch_settings)}, got {depth}")
        stages = tuple(stages)
        if not stages or stages[0] < 1 or stages[-1] > 4 or stages != tuple(range(stages[0], stages[-1] + 1)):
            raise InputError(f"ResNetIBN: stages must be consecutive among 1 to 4, got {stages}")
        self.stages = stages
        self.out_stages = tuple(out_stages) if out_stages is not None else stages[-1:]
        if not set(self.out_stages) <= set(stages):
            raise InputError(f"ResNetIBN: out_stages {self.out_stages} are not among the stages {stages}")
        block, num_blocks = self.arch_settings[depth]
        self.expansion = block.expansion
        self.stage_blocks = stage_blocks or {}
        self.ibn_stages = tuple(ibn_stages)
        self.norm_eval = norm_eval
        self.zero_init_residual = zero_init_residual
        self.with_stem = stages[0] == 1
        if self.with_stem:
            self._make_stem(stem_relu, stem_padding)
        for stage in stages:
            self._make_stage(stage, block, num_blocks[stage - 1], last_stride if stage == 4 else min(stage, 2))
        self.frozen_stages = frozen_stages
        # Here and not in train(): DistributedDataParallel takes the parameters before.
        for part in self._frozen_parts():
            part.requires_grad_(False)

    @property
    def out_channels(self) -> int:
        """Channels of the last stage's map."""
        return 32 * 2 ** self.stages[-1] * self.expansion

    def _make_stem(self, with_relu: bool, padding: int) -> None:
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True) if with_relu else nn.Identity()
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=padding, ceil_mode=padding == 0)

    def _make_stage(self, stage: int, block: type[nn.Module], num_blocks: int, stride: int) -> None:
        planes = 32 * 2**stage
        in_channels = 64 if stage == 1 else planes // 2 * self.expansion
        layer = ResLayer(block, in_channels, planes, num_blocks, stride=stride, norm_cfg=dict(type="BN"))
        if stage in self.ibn_stages:
            for one in layer:
                one.bn1 = IBN(planes)
        if stage in self.stage_blocks:
            # The blocks keep their numbers, which are in the published weights' names.
            layer = nn.Sequential(OrderedDict(list(layer.named_children())[slice(*self.stage_blocks[stage])]))
        self.add_module(f"layer{stage}", layer)

    def _frozen_parts(self) -> list[nn.Module]:
        stem = [self.conv1, self.bn1] if self.with_stem and self.frozen_stages >= 0 else []
        return stem + [getattr(self, f"layer{stage}") for stage in self.stages if stage <= self.frozen_stages]

    def train(self, mode: bool = True) -> ResNetIBN:
        """Set the mode; frozen stages, and with ``norm_eval`` batch norms, stay in eval mode."""
        super().train(mode)
        for part in self._frozen_parts():
            part.eval()
        if self.norm_eval:
            for norm in batch_norms(self):
                norm.eval()
        return self

    def describe(self) -> str:
        """See :meth:`PretrainedModule.describe`."""
        return f"Stages {self.stages} of ResNetIBN"

    def init_weights(self) -> None:
        """See :meth:`PretrainedModule.init_weights`."""
        super().init_weights()
        for module in self.modules() if self.zero_init_residual and self.checkpoint is None else ():
            if isinstance(module, BasicBlock | Bottleneck):
                nn.init.zeros_((module.norm3 if isinstance(module, Bottleneck) else module.norm2).weight)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Compute the maps of ``out_stages`` from images; without the stem, the last stage's from a map.

        Args:
            x: (N, 3, H, W) images; without the stem, the (N, C, H, W) map of the stage before the first.

        Returns:
            From images one (N, C, H / s, W / s) map per output stage, s = 4, 8, 16, 32; from a map one tensor, as
            MMDetection's RoI heads expect of a ``shared_head``.
        """
        x = self.forward_stem(x) if self.with_stem else in_fast_layout(x)
        outs = []
        for stage in self.stages:
            x = self._forward_stage(stage, x)
            if stage in self.out_stages:
                outs.append(x)
        return tuple(outs) if self.with_stem else x

    def forward_stem(self, images: Tensor) -> Tensor:
        """Compute the (N, 64, H / 4, W / 4) maps that stage 1 reads from (N, 3, H, W) images."""
        return self.maxpool(self.relu(self.bn1(self.conv1(in_fast_layout(images)))))

    def list_blocks(self) -> list[tuple[int, nn.Module]]:
        """List the residual blocks with their stage, in order, for a model that computes something in between."""
        return [(stage, block) for stage in self.stages for block in getattr(self, f"layer{stage}")]

    def _forward_stage(self, stage: int, x: Tensor) -> Tensor:
        return getattr(self, f"layer{stage}")(x)


@MODELS.register_module()
class KnowledgeTransferBridge(ResNetIBN):
    """Knowledge Transfer Bridge (KTB) of TDN (section III-A): Part-1's structure on person crops, with its own weights.

    Args:
        depth: The same as Part-1's.
        stages: The same as Part-1's.
        kwargs: Arguments of :class:`ResNetIBN`.
    """

    def __init__(self, depth: int, stages: tuple[int, ...] = (1, 2), **kwargs: Any) -> None:
        super().__init__(depth=depth, stages=stages, **kwargs)

    def forward(self, crops: Tensor) -> Tensor:
        """Compute the (K, C, H / 8, W / 8) transferring feature maps of (K, 3, H, W) normalized person crops."""
        (maps,) = super().forward(crops)
        return maps
