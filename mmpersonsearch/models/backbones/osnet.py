"""OSNet, whole or cut in two, and with the three branches of LightMBN."""

from __future__ import annotations

from collections import OrderedDict

import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.errors import InputError

from .pretrained import PretrainedModule, in_fast_layout

_NORM = dict(type="BN")


class LightConv3x3(nn.Module):
    """Factorized convolution of OSNet (section 3.1): 1x1, depth-wise 3x3, BN and ReLU, both convolutions bias-free.

    Args:
        channels: Channels of both maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Compute a map of the same shape, (N, channels, H, W)."""
        return F.relu(self.bn(self.conv2(self.conv1(x))), inplace=True)


class ChannelGate(nn.Module):
    """Gate G of OSNet's equation 3: weights in (0, 1) of a map's channels, from their means.

    Args:
        channels: Channels of the map.
        reduction: By how much the hidden layer has fewer.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // reduction, 1)
        self.fc2 = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Weight the channels of an (N, channels, H, W) map."""
        return x * self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True)))).sigmoid()


class OSBlock(BaseModule):
    """Omni-scale residual block of OSNet (section 3.2): four streams of one to four 3x3 layers behind one shared gate.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output, four times those of a stream.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(list(OSNet.random_init))
        channels = out_channels // 4
        self.conv1 = ConvModule(in_channels, channels, 1, norm_cfg=_NORM)
        self.conv2a = LightConv3x3(channels)
        for number, name in enumerate("bcd", start=2):
            self.add_module(f"conv2{name}", nn.Sequential(*(LightConv3x3(channels) for _ in range(number))))
        self.gate = ChannelGate(channels)
        self.conv3 = ConvModule(channels, out_channels, 1, norm_cfg=_NORM, act_cfg=None)
        if in_channels != out_channels:
            self.downsample = ConvModule(in_channels, out_channels, 1, norm_cfg=_NORM, act_cfg=None)

    def forward(self, x: Tensor) -> Tensor:
        """Compute (N, out_channels, H, W) of (N, in_channels, H, W)."""
        reduced = self.conv1(x)
        streams = (self.conv2a, self.conv2b, self.conv2c, self.conv2d)
        fused = sum(self.gate(stream(reduced)) for stream in streams)
        shortcut = self.downsample(x) if hasattr(self, "downsample") else x
        return F.relu(self.conv3(fused) + shortcut)


@MODELS.register_module()
class OSNet(PretrainedModule):
    """OSNet (Zhou et al., ICCV 2019, table 1), or the part of it before or behind conv3's first block.

    Parameters are named as in torchreid's published weights, so that these load without renaming, into a part alike.

    Args:
        width: Factor of the channels: 1.0, 0.75, 0.5 or 0.25, those that were published.
        part: ``'whole'``; ``'stem'``, up to conv3's first block; ``'branch'``, what is behind it.
        feat_channels: Width of the published feature, 512, which a linear layer with BN and ReLU (``fc``) computes
            from the mean of the last map; None ends with that map.
        init_cfg: See :class:`PretrainedModule`; random weights are torchreid's.

    Raises:
        InputError: Another width or part; a feature of the stem.
    """

    channels = (64, 256, 384, 512)
    random_init = (
        dict(type="Kaiming", layer="Conv2d"),
        dict(type="Constant", val=1, layer=["BatchNorm2d", "BatchNorm1d"]),
        dict(type="Normal", layer="Linear", std=0.01),
    )

    def __init__(
        self,
        width: float = 1.0,
        part: str = "whole",
        feat_channels: int | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if width not in (1.0, 0.75, 0.5, 0.25):
            raise InputError(f"OSNet: width must be 1.0, 0.75, 0.5 or 0.25, got {width}")
        if part not in ("whole", "stem", "branch"):
            raise InputError(f"OSNet: part must be 'whole', 'stem' or 'branch', got {part!r}")
        if part == "stem" and feat_channels:
            raise InputError("OSNet: feat_channels needs the last map, which part='stem' does not compute")
        self.part = part
        first, second, third, last = (int(width * channels) for channels in self.channels)
        self.out_channels = third if part == "stem" else feat_channels or last
        if part != "branch":
            self.conv1 = ConvModule(3, first, 7, stride=2, padding=3, norm_cfg=_NORM)
            self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
            self.conv2 = _make_stage(first, second, down=True)
        # The blocks keep their numbers, which are in the published weights' names.
        blocks = list(_make_stage(second, third, down=True).named_children())
        cut = dict(whole=slice(None), stem=slice(1), branch=slice(1, None))[part]
        self.conv3 = nn.Sequential(OrderedDict(blocks[cut]))
        if part != "stem":
            self.conv4 = _make_stage(third, last, down=False)
            self.conv5 = ConvModule(last, last, 1, norm_cfg=_NORM)
        if feat_channels:
            self.fc = nn.Sequential(nn.Linear(last, feat_channels), nn.BatchNorm1d(feat_channels), nn.ReLU())

    def describe(self) -> str:
        """See :meth:`PretrainedModule.describe`."""
        return f"OSNet ({self.part})"

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Compute the last map, or the feature.

        Args:
            x: (N, 3, H, W) images; of a branch the stem's (N, C, H / 8, W / 8) map.

        Returns:
            One map in a tuple, the stem's with stride 8, else with 16, or (N, ``feat_channels``); a branch without the
            tuple.
        """
        x = in_fast_layout(x)
        if self.part != "branch":
            x = self.conv2(self.maxpool(self.conv1(x)))
        x = self.conv3(x)
        if self.part != "stem":
            x = self.conv5(self.conv4(x))
        if hasattr(self, "fc"):
            x = self.fc(x.mean((2, 3)))
        return x if self.part == "branch" else (x,)


def _make_stage(in_channels: int, out_channels: int, down: bool) -> nn.Sequential:
    """Two blocks; ``down``: then a 1x1 convolution and average pooling, which halves the map."""
    stage = nn.Sequential(OSBlock(in_channels, out_channels), OSBlock(out_channels, out_channels))
    if down:
        halve = nn.Sequential(ConvModule(out_channels, out_channels, 1, norm_cfg=_NORM), nn.AvgPool2d(2, stride=2))
        stage.append(halve)
    return stage


@MODELS.register_module()
class MultiBranchOSNet(BaseModule):
    """Backbone of LightMBN (Herzog et al., ICIP 2021, section 2): one stem, then three branches of the same layers.

    The stem ends with conv3's first block. Each branch has the other layers with its own weights: the global, the part
    and the channel branch. Pretrained weights fill stem and branches.

    Args:
        width: See :class:`OSNet`.
        init_cfg: Initialization of stem and branches, see :class:`OSNet`.
    """

    num_branches = 3

    def __init__(self, width: float = 1.0, init_cfg: dict | None = None) -> None:
        super().__init__()
        self.stem = OSNet(width, part="stem", init_cfg=init_cfg)
        self.branches = ModuleList(OSNet(width, part="branch", init_cfg=init_cfg) for _ in range(self.num_branches))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the branches' three (N, C, H / 16, W / 16) maps of (N, 3, H, W) images."""
        (shared,) = self.stem(x)
        return self.forward_branches(shared)

    def forward_branches(self, shared: Tensor) -> tuple[Tensor, ...]:
        """Compute the branches' maps of the stem's (N, C, H / 8, W / 8) map."""
        return tuple(branch(shared) for branch in self.branches)
