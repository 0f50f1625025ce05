"""Timers of a model's parts, of its layers by their kind, and of the bare products that its layers consist of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from mmpersonsearch.models.folding import FoldedConv2d

# Parts of a model that are timed separately; the rest is NMS, box decoding and the like. In a two-step model they are
# parts of the detector.
STAGES = {
    "backbone (Part-1)": "backbone",
    "RPN": "rpn_head",
    "RoIAlign": "roi_head.bbox_roi_extractor",
    "shared head (Part-2)": "roi_head.shared_head",
    "box head": "roi_head.bbox_head",
    "crops": "roi_head.crop_extractor",
    "KTB": "roi_head.bridge",
    "RoIAlign for Re-ID": "roi_head.reid_roi_extractor",
    "Part-2": "roi_head.part2",
    "Re-ID head": "roi_head.reid_head",
    "Re-ID model": "reid",
}
OF_REID = ("crops", "KTB", "RoIAlign for Re-ID", "Part-2", "Re-ID head", "Re-ID model")
# Kinds of operators, by what is in their names; the first that fits.
KINDS = {
    "convolutions": ("convolution", "conv2d", "conv1d"),
    "matrix products": ("addmm", "aten::mm", "bmm", "aten::linear"),
    "RoIAlign": ("embedding_bag", "_WeightedSum", "grid_sample"),
    "NMS, sorting": ("nms", "NMSop", "sort", "topk"),
    "norms": ("norm", "addcmul", "mean", "aten::sub", "pow", "square", "rsqrt", "aten::sum"),
    "ReLU, sums, pooling": ("relu", "clamp_min", "aten::add", "pool"),
    "copies": ("copy", "cat", "clone", "contiguous", "index", "empty", "fill", "zero", "repeat"),
}


class StageTimer:
    """Timer of the parts of a model, in seconds.

    Args:
        model: The model; parts of :data:`STAGES` that it lacks are skipped.
        synchronize: Function that waits for the device.
        clock: Reads the time in seconds.
    """

    def __init__(self, model: nn.Module, synchronize: Callable[[], None], clock: Callable[[], float]) -> None:
        self.seconds = defaultdict(float)
        self.synchronize = synchronize
        self.clock = clock
        modules = dict(model.named_modules())
        modules |= {path.removeprefix("detector."): module for path, module in modules.items()}
        for name, path in STAGES.items():
            if path in modules:
                modules[path].register_forward_pre_hook(self._start)
                modules[path].register_forward_hook(self._stop(name))

    def _start(self, *_: object) -> None:
        self.synchronize()
        self.started = self.clock()

    def _stop(self, name: str) -> Callable[..., None]:
        def stop(*_: object) -> None:
            self.synchronize()
            self.seconds[name] += self.clock() - self.started

        return stop


class BareLayers:
    """The convolutions and linear layers that a call of a model ran, to be run again without the rest.

    Args:
        model: The model, in the layout that it is tested in.
        function: Runs the model once.
    """

    def __init__(self, model: nn.Module, function: Callable[[], object]) -> None:
        self.layers: list[tuple[str, nn.Module, torch.Size, torch.dtype]] = []
        hooks = [
            part.register_forward_hook(partial(self._record, name))
            for name, part in model.named_modules()
            if isinstance(part, nn.Conv2d | FoldedConv2d | nn.Linear)
        ]
        function()
        for hook in hooks:
            hook.remove()

    def _record(self, name: str, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if inputs[0].numel():
            self.layers.append((name, layer, inputs[0].shape, output.dtype))

    def run(self, clock: Callable[[], float], synchronize: Callable[[], None], part: str = "") -> tuple[float, float]:
        """Run the layers of the part whose path begins so, without bias, and matrix products of their shapes.

        Returns:
            Seconds of the layers, in channels_last on a CPU, and of the products.
        """
        seconds = [0.0, 0.0]
        for name, layer, shape, dtype in self.layers:
            if not name.startswith(part):
                continue
            for number, (function, *args) in enumerate(_bare(layer, shape, dtype)):
                synchronize()
                started = clock()
                function(*args)
                synchronize()
                seconds[number] += clock() - started
        return seconds[0], seconds[1]


def _bare(layer: nn.Module, shape: torch.Size, dtype: torch.dtype) -> list[tuple]:
    """The layer on a random input, and a matrix product of its shape: functions with arguments."""
    weight = layer.weight.to(dtype)
    x = torch.rand(shape, dtype=dtype, device=weight.device)
    if isinstance(layer, nn.Linear):
        return [(F.linear, x, weight), (torch.mm, x.flatten(0, -2), weight.t())]
    if isinstance(layer, FoldedConv2d):
        stride, padding, dilation, groups = layer.geometry
    else:
        stride, padding, dilation, groups = layer.stride, layer.padding, layer.dilation, layer.groups
    if x.is_cpu:
        x, weight = (one.contiguous(memory_format=torch.channels_last) for one in (x, weight))
    convolve = partial(F.conv2d, stride=stride, padding=padding, dilation=dilation, groups=groups)
    cells = convolve(x[:1, :, :, :], weight).shape[2:]
    inner = weight[0].numel() * groups  # a grouped convolution is as many smaller products
    left = torch.rand(len(x) * cells.numel(), inner // groups, dtype=dtype, device=x.device)
    return [(convolve, x, weight), (torch.mm, left, weight.reshape(len(weight), -1).t().contiguous())]


def time_of_kinds(function: Callable[[], object]) -> dict[str, float]:
    """Profile a call: milliseconds of the operators of each kind, those of no kind as ``others``."""
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]
    with profile(activities=activities) as profiler:
        function()
    times: dict[str, float] = defaultdict(float)
    for event in profiler.key_averages():
        if event.device_type != DeviceType.CPU:  # a GPU's kernels count as their operators'
            continue
        kind = next((kind for kind, parts in KINDS.items() if any(part in event.key for part in parts)), "others")
        times[kind] += (event.self_device_time_total or event.self_cpu_time_total) / 1e3
    return {kind: times[kind] for kind in (*KINDS, "others") if kind in times}
