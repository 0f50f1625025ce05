"""Models folded for testing: norms become part of the convolutions before them."""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmdet.models.backbones import ResNet
from mmdet.models.backbones.resnet import BasicBlock, Bottleneck
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .backbones import IBN, ResNetIBN
from .backbones.osnet import LightConv3x3

# Convolution and norm, by the names of the parts, of modules that run them one after the other and then their own ReLU.
_PAIRS = {ResNet: ("conv1", "bn1"), ResNetIBN: ("conv1", "bn1"), LightConv3x3: ("conv2", "bn")}


class FoldedConv2d(nn.Module):
    """Convolution with the norm behind it, y = relu(norm(conv(x)) + shortcut); for testing, without gradients.

    A batch norm is in weight and bias, as is the second half of an :class:`IBN`, whose instance norm follows. On a CPU,
    oneDNN adds the shortcut and takes the ReLU while it writes the map, and keeps the weights in its own order.

    Args:
        conv: The convolution.
        norm: Batch norm, whose running statistics are taken, or IBN.
        relu: Whether a ReLU follows.
    """

    def __init__(self, conv: nn.Conv2d, norm: nn.Module, relu: bool = False) -> None:
        super().__init__()
        weight, bias = _fold(conv, norm)
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)
        self.geometry = [list(conv.stride), list(conv.padding), list(conv.dilation), conv.groups]
        self.instance_norm = norm.IN if isinstance(norm, IBN) else None
        self.relu = relu
        self._packed: dict[tuple, tuple[Tensor, Tensor]] = {}

    def forward(self, x: Tensor, shortcut: Tensor | None = None, overwrite: bool = False) -> Tensor:
        """Compute (N, C', h, w) from (N, C, H, W); N may be 0.

        Args:
            x: The map.
            shortcut: A map of the output's shape that is added.
            overwrite: Whether the output may be written over it.
        """
        fused = _has_fused_convolution(x)
        if fused and self.instance_norm is None:
            return self._convolve_at_once(x, self.relu, shortcut, overwrite)
        y = self._convolve_at_once(x) if fused else F.conv2d(x, self.weight, self.bias, *self.geometry)
        if self.instance_norm is not None:
            _normalize_instances_(y[:, : self.instance_norm.num_features], self.instance_norm)
        y = y if shortcut is None else y.add_(shortcut)
        return y.relu_() if self.relu else y

    def _convolve_at_once(
        self, x: Tensor, relu: bool = False, shortcut: Tensor | None = None, overwrite: bool = False
    ) -> Tensor:
        dtype = _computed_dtype(x)
        x, (weight, bias) = x.to(dtype), self._pack(dtype, list(x.shape))
        stride, padding, dilation, groups = self.geometry
        layout = padding, stride, dilation, groups
        if shortcut is None:
            then = "relu" if relu else "none"
            return torch.ops.mkldnn._convolution_pointwise(x, weight, bias, *layout, then, [], "")
        sums = (*layout, "add", 1.0, "relu" if relu else None, [], "")
        if overwrite and shortcut.dtype == dtype:
            return torch.ops.mkldnn._convolution_pointwise_.binary(shortcut, x, weight, bias, *sums)
        return torch.ops.mkldnn._convolution_pointwise.binary(x, shortcut.to(dtype), weight, bias, *sums)

    def _pack(self, dtype: torch.dtype, shape: list[int]) -> tuple[Tensor, Tensor]:
        """Weight in oneDNN's order, for inputs of a shape (others are slower), and bias; made once."""
        key = dtype, self.weight.data_ptr(), self.weight._version
        if key not in self._packed:
            stride, padding, dilation, groups = self.geometry
            weight = self.weight.to(dtype, memory_format=torch.channels_last)
            packed = torch.ops.mkldnn._reorder_convolution_weight(weight, padding, stride, dilation, groups, shape)
            self._packed = {key: (packed, self.bias.to(dtype))}
        return self._packed[key]


class FoldedBlock(nn.Module):
    """Residual block of a ResNet with folded norms.

    Args:
        block: MMDetection's ``BasicBlock`` or ``Bottleneck``.
    """

    def __init__(self, block: BasicBlock | Bottleneck) -> None:
        super().__init__()
        pairs = _pairs_of_block(block)
        self.convs = nn.Sequential(*(FoldedConv2d(*pair, relu=True) for pair in pairs[:-1]))
        self.last = FoldedConv2d(*pairs[-1], relu=True)
        self.downsample = None
        if block.downsample is not None:
            *before, conv, norm = block.downsample
            self.downsample = nn.Sequential(*before, FoldedConv2d(conv, norm))

    def forward(self, x: Tensor) -> Tensor:
        """Compute the block's map."""
        own = self.downsample is not None  # a map that nothing else reads
        return self.last(self.convs(x), self.downsample(x) if own else x, overwrite=own)


def fold_norms(model: nn.Module) -> nn.Module:
    """Fold batch norms, and those in IBNs, into the convolutions before them.

    This is done where a norm is known to follow a convolution: in ResNets' blocks and stems, OSNet's layers and MMCV's
    ``ConvModule``. Other layers stay as they are.

    Args:
        model: Any model; it is not changed.

    Returns:
        A model for testing, in eval mode, that shares all other parts' parameters with the first. It has its own
        ``state_dict``, which is not for checkpoints.
    """
    model = _copy_structure(model, {}).eval()
    for part in list(model.modules()):
        for name, child in part.named_children():
            if type(child) in (BasicBlock, Bottleneck) and _can_fold_block(child):
                setattr(part, name, FoldedBlock(child))
    for part in list(model.modules()):
        conv, norm = (getattr(part, name, None) for name in _names_of_pair(part))
        if not _can_fold(conv, norm):
            continue
        conv_name, norm_name = _names_of_pair(part)
        has_relu = isinstance(getattr(part, "relu", None), nn.ReLU)
        setattr(part, conv_name, FoldedConv2d(conv, norm, has_relu))
        setattr(part, norm_name, nn.Identity())
        if has_relu:
            part.relu = nn.Identity()
    return model


def _copy_structure(module: nn.Module, copies: dict[int, nn.Module]) -> nn.Module:
    """Copy a module and its parts, but not their tensors; ``copies`` holds what was copied, by identity."""
    if id(module) not in copies:
        copies[id(module)] = own = copy.copy(module)
        for name in ("_parameters", "_buffers", "_forward_hooks", "_forward_pre_hooks"):
            setattr(own, name, copy.copy(getattr(module, name)))
        own._modules = {}
        for name, child in module._modules.items():
            own._modules[name] = None if child is None else _copy_structure(child, copies)
    return copies[id(module)]


def _names_of_pair(part: nn.Module) -> tuple[str, str]:
    """Names of a convolution and the norm behind it among a module's own parts; of parts that it lacks if none."""
    if isinstance(part, ConvModule):
        pairs = list(pairwise(part.order))
        known = type(part).forward is ConvModule.forward and part.norm_name and ("conv", "norm") in pairs
        return ("conv", part.norm_name) if known else ("", "")
    return next((names for kind, names in _PAIRS.items() if isinstance(part, kind)), ("", ""))


def _can_fold(conv: nn.Module | None, norm: nn.Module | None) -> bool:
    statistics = norm.BN if isinstance(norm, IBN) else norm
    is_norm = isinstance(statistics, _BatchNorm) and statistics.running_var is not None
    return is_norm and type(conv) is nn.Conv2d and conv.padding_mode == "zeros" and not isinstance(conv.padding, str)


def _pairs_of_block(block: BasicBlock | Bottleneck) -> list[tuple[nn.Module, nn.Module]]:
    last = 3 if isinstance(block, Bottleneck) else 2
    return [(getattr(block, f"conv{i}"), getattr(block, f"norm{i}")) for i in range(1, last + 1)]


def _can_fold_block(block: BasicBlock | Bottleneck) -> bool:
    pairs = _pairs_of_block(block)
    pairs += [] if block.downsample is None else [tuple(block.downsample[-2:])]
    return all(_can_fold(*pair) for pair in pairs) and not getattr(block, "with_plugins", False)


@torch.no_grad()
def _fold(conv: nn.Conv2d, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution with its norm, computed in float64; channels_last on a CPU."""
    statistics = norm.BN if isinstance(norm, IBN) else norm
    weight = conv.weight.double()
    bias = weight.new_zeros(len(weight)) if conv.bias is None else conv.bias.double()
    scale, shift = torch.ones_like(bias), torch.zeros_like(bias)
    own = slice(len(bias) - len(statistics.running_var), None)  # of an IBN the second half
    mean, var = statistics.running_mean.double(), statistics.running_var.double()
    scale[own] = (var + statistics.eps).rsqrt()
    if statistics.affine:
        scale[own] *= statistics.weight.double()
        shift[own] = statistics.bias.double()
    shift[own] -= mean * scale[own]
    layout = torch.channels_last if weight.is_cpu else torch.contiguous_format
    weight = (weight * scale[:, None, None, None]).to(conv.weight.dtype, memory_format=layout)
    return weight, (bias * scale + shift).to(conv.weight.dtype)


def _normalize_instances_(x: Tensor, norm: nn.InstanceNorm2d) -> None:
    """Normalize (N, C, H, W) maps in place, with statistics in at least float32."""
    precise = x.to(torch.promote_types(x.dtype, torch.float32))
    mean = precise.mean((2, 3), keepdim=True)
    var = (precise - mean).square_().mean((2, 3), keepdim=True)
    scale = norm.weight.detach()[:, None, None] * (var + norm.eps).rsqrt()
    shift = norm.bias.detach()[:, None, None] - mean * scale
    torch.addcmul(shift.to(x.dtype), x, scale.to(x.dtype), out=x)


def _computed_dtype(x: Tensor) -> torch.dtype:
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


def _has_fused_convolution(x: Tensor) -> bool:
    """Tell whether PyTorch's convolution with sum and ReLU, which its compiler calls on a CPU, takes (N, C, H, W)."""
    if not x.is_cpu or len(x) == 0 or torch.is_grad_enabled() or torch.compiler.is_compiling():
        return False
    dtype = _computed_dtype(x)
    return torch.backends.mkldnn.is_available() and (
        dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())
    )
