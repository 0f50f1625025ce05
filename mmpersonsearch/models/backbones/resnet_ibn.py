"""ResNet with instance and batch normalization (IBN-Net), whole or cut into parts."""

from __future__ import annotations

import functools
from collections import OrderedDict

import torch
from mmdet.models.backbones.resnet import BasicBlock, Bottleneck
from mmdet.models.layers import ResLayer
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmpersonsearch.models.batch_norms import batch_norms
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.checkpoint import COUNTERS, find_weights, load_checkpoint_file, load_strictly

from .ibn import IBN


@functools.cache
def _say_from_scratch() -> None:
    print_log("Pretrained weights are 'none': the backbones are trained from scratch.", logger="current")


@MODELS.register_module()
class ResNetIBN(BaseModule):
    """ResNet-IBN-a (Pan et al., ECCV 2018), or consecutive stages of it.

    In stages 1 to 3 (conv2_x to conv4_x) the first norm of each block is an :class:`IBN`. Parameters are named as
    in the published IBN-Net weights, so that these load without renaming, into a part of the network alike.

    Args:
        depth: 18, 34, 50 or 101.
        stages: Consecutive stages among 1 to 4. With stage 1 comes the stem (conv1, norm, max pooling); without it
            the input is the map of the stage before.
        out_stages: With the stem, stages whose maps are returned; the last one by default.
        last_stride: Stride of stage 4; Re-ID models often take 1.
        stage_blocks: Blocks (first, end) of stages that are computed in part, as in a slice; the others, and their
            weights, belong to another part of the network.
        ibn_stages: Stages whose blocks begin with an :class:`IBN`; ``()`` is the plain ResNet.
        stem_relu: Whether a ReLU follows the stem's norm. The plain ResNets of reid-strong-baseline and ReID-Survey
            were trained without.
        stem_padding: Padding of the stem's max pooling. fast-reid's networks have 0 and round the size up.
        norm_eval: Whether the batch norms keep their statistics in training, as is usual with pretrained weights and
            few images a batch; their scales and shifts are trained all the same.
        zero_init_residual: Whether random weights have the last norm of each block at 0, so that a block starts as the
            identity (Goyal et al., 2017), as MMDetection's ResNet has it.
        init_cfg: ``dict(type='Pretrained', checkpoint=...)`` with a file or address of IBN-Net weights, each of
            this part's parameters must be in it; ``'none'`` as checkpoint, or no ``init_cfg``: random (He et al.).
            ``prefix='backbone.'`` takes them from a checkpoint of a whole model.

    Raises:
        ValueError: Another depth; stages not consecutive among 1 to 4; an output stage that is not computed.
    """

    arch_settings = {
        18: (BasicBlock, (2, 2, 2, 2)),
        34: (BasicBlock, (3, 4, 6, 3)),
        50: (Bottleneck, (3, 4, 6, 3)),
        101: (Bottleneck, (3, 4, 23, 3)),
    }
    # Keys that pretrained weights may lack: a regular expression.
    not_pretrained = COUNTERS
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
        zero_init_residual: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg or list(self.random_init))
        if depth not in self.arch_settings:
            raise ValueError(f"ResNetIBN: depth must be one of {list(self.arch_settings)}, got {depth}")
        stages = tuple(stages)
        if not stages or stages[0] < 1 or stages[-1] > 4 or stages != tuple(range(stages[0], stages[-1] + 1)):
            raise ValueError(f"ResNetIBN: stages must be consecutive among 1 to 4, got {stages}")
        self.stages = stages
        self.out_stages = tuple(out_stages) if out_stages is not None else stages[-1:]
        if not set(self.out_stages) <= set(stages):
            raise ValueError(f"ResNetIBN: out_stages {self.out_stages} are not among the stages {stages}")
        block, num_blocks = self.arch_settings[depth]
        self.expansion = block.expansion
        self.stage_blocks = stage_blocks or {}
        self.ibn_stages = tuple(ibn_stages)
        self.norm_eval = norm_eval
        self.zero_init_residual = zero_init_residual
        if self.with_stem:
            self._make_stem(stem_relu, stem_padding)
        for stage in stages:
            self._make_stage(stage, block, num_blocks[stage - 1], last_stride if stage == 4 else min(stage, 2))

    @property
    def with_stem(self) -> bool:
        """Whether the input is an image."""
        return self.stages[0] == 1

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
        layer = ResLayer(
            block,
            inplanes=in_channels,
            planes=planes,
            num_blocks=num_blocks,
            stride=stride,
            norm_cfg=dict(type="BN"),
        )
        if stage in self.ibn_stages:
            for one in layer:
                one.bn1 = IBN(planes)
        if stage in self.stage_blocks:
            # The blocks keep their numbers, by which the published weights are named.
            layer = nn.Sequential(OrderedDict(list(layer.named_children())[slice(*self.stage_blocks[stage])]))
        self.add_module(f"layer{stage}", layer)

    def train(self, mode: bool = True) -> ResNetIBN:
        """Set the mode; with ``norm_eval`` batch norms are always in that of testing."""
        super().train(mode)
        if self.norm_eval:
            for norm in batch_norms(self):
                norm.eval()
        return self

    def init_weights(self) -> None:
        """Load this part's pretrained weights, or draw random ones.

        Raises:
            FileNotFoundError: The checkpoint is missing.
            ValueError: The checkpoint lacks parameters of this part, or has them in another shape.
        """
        checkpoint = self.init_cfg.get("checkpoint") if isinstance(self.init_cfg, dict) else None
        if checkpoint == "none":
            _say_from_scratch()
            self.init_cfg = list(self.random_init)
        if checkpoint in (None, "none"):
            super().init_weights()
            if self.zero_init_residual:
                self._zero_last_norms()
        else:
            self._load_pretrained(checkpoint, self.init_cfg.get("prefix", ""))

    def _zero_last_norms(self) -> None:
        for module in self.modules():
            if isinstance(module, BasicBlock | Bottleneck):
                nn.init.zeros_((module.norm3 if isinstance(module, Bottleneck) else module.norm2).weight)

    def _load_pretrained(self, path: str, prefix: str) -> None:
        weights = find_weights(load_checkpoint_file(path))
        weights = {key.removeprefix(prefix): value for key, value in weights.items()}
        load_strictly(self, weights, path, allow_unexpected=True, may_lack=self.not_pretrained)
        print_log(f"Stages {self.stages} of ResNetIBN loaded from {path}", logger="current")

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Compute the maps of ``out_stages`` from images, or as a head, without the stem, the last stage's alone.

        Args:
            x: (N, 3, H, W) images, or (N, C, H, W) map of the stage before the first.

        Returns:
            From images one (N, C, H / s, W / s) map for each of ``out_stages``, s = 4, 8, 16, 32; else one tensor, as
            MMDetection's RoI heads want it of a ``shared_head``.
        """
        if x.device.type == "cpu":  # where a ResNet is a quarter faster so
            x = x.contiguous(memory_format=torch.channels_last)
        if self.with_stem:
            x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        outs = []
        for stage in self.stages:
            x = self._forward_stage(stage, x)
            if stage in self.out_stages:
                outs.append(x)
        return tuple(outs) if self.with_stem else x

    def _forward_stage(self, stage: int, x: Tensor) -> Tensor:
        return getattr(self, f"layer{stage}")(x)
