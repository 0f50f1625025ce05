"""Measure RoIAlign, RoIPool and NMS in the shapes of the papers' models, beside MMCV's compiled ones if there are any.

Images are 600 x 960, with persons of 60 to 360 pixels. Maps are measured in channels_last, as this package's backbones
give them, and contiguous; compiled RoIAlign misreads channels_last, so its time includes the copy.

mmpersonsearch benchmark ops --rounds 9
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

import mmpersonsearch.models  # noqa: F401  (it makes mmcv.ops importable)

from .command_line import make_parser, positive, write_json
from .measure import median_ms, print_measurements

HEIGHT, WIDTH = 600, 960
LAYOUTS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}


class Case(NamedTuple):
    """A RoI layer of a model: its name, ``RoIAlign`` or ``RoIPool``, and the sizes of its input and output."""

    name: str
    kind: str
    num_rois: int
    channels: int
    stride: int
    size: tuple[int, int]
    sampling_ratio: int = 0


CASES = (
    Case("TDN, box head", "RoIAlign", 128, 512, 8, (7, 7), 2),
    Case("DC-I-Net's size on 512 channels", "RoIAlign", 128, 512, 8, (14, 14), 2),
    Case("OIM", "RoIAlign", 128, 1024, 16, (14, 14), 2),
    Case("OIM*", "RoIAlign", 128, 512, 8, (32, 16)),
    Case("TDN, Re-ID", "RoIAlign", 10, 512, 8, (32, 16)),
    Case("TDN, crops", "RoIAlign", 10, 3, 1, (256, 128)),
    Case("I-Net, VGG-16", "RoIPool", 128, 512, 16, (7, 7)),
)


def draw_rois(number: int) -> Tensor:
    """(n, 5) persons in an image."""
    generator = torch.Generator().manual_seed(0)
    height, width, x, y = torch.rand(4, number, generator=generator)
    height = 60 + 300 * height
    width = height * (0.3 + 0.2 * width)
    x, y = x * (WIDTH - width), y * (HEIGHT - height)
    return torch.stack((torch.zeros(number), x, y, x + width, y + height), 1)


def draw_boxes(number: int, spread: float) -> tuple[Tensor, Tensor]:
    """(n, 4) proposals around 40 persons, and their scores; the spread is in pixels."""
    generator = torch.Generator().manual_seed(0)
    persons = draw_rois(40)[:, 1:]
    boxes = persons[torch.randint(40, (number,), generator=generator)]
    boxes = boxes + spread * torch.randn(number, 4, generator=generator)
    boxes[:, 2:] = torch.maximum(boxes[:, 2:], boxes[:, :2] + 10)
    return boxes, torch.rand(number, generator=generator)


@contextmanager
def compiled_operators() -> Iterator[bool]:
    """Put MMCV's compiled operators in their place for a while; gives whether there are any."""
    ext = importlib.import_module("mmcv._ext")
    ours = {name: getattr(ext, name) for name in dir(ext) if hasattr(getattr(ext, name), "compiled")}
    for name, operator in ours.items():
        setattr(ext, name, operator.compiled)
    try:
        yield bool(ours)
    finally:
        for name, operator in ours.items():
            setattr(ext, name, operator)


def make_layers(case: Case) -> tuple[nn.Module, nn.Module]:
    """Our layer and MMCV's."""
    import mmcv.ops

    from mmpersonsearch.ops import roi_layers

    options = dict(sampling_ratio=case.sampling_ratio) if case.kind == "RoIAlign" else {}
    return tuple(getattr(module, case.kind)(case.size, 1 / case.stride, **options) for module in (roi_layers, mmcv.ops))


def measure_layer(case: Case, layout: str, rounds: int) -> dict:
    """One row: milliseconds forward, and forward with backward."""
    shape = (1, case.channels, HEIGHT // case.stride, WIDTH // case.stride)
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(shape, generator=generator).contiguous(memory_format=LAYOUTS[layout])
    rois, (ours, theirs) = draw_rois(case.num_rois), make_layers(case)
    row = dict(
        case=f"{case.name}: {case.kind} {case.num_rois} x {case.size[0]}x{case.size[1]}x{case.channels}, {layout}"
    )

    def step(layer: nn.Module, with_gradient: bool) -> Callable[[], Tensor]:
        inputs = maps.clone().requires_grad_(with_gradient)

        def run() -> Tensor:
            output = layer(inputs.contiguous() if layer is theirs else inputs, rois)
            if with_gradient:
                output.backward(torch.ones_like(output))
            return output.detach()

        return run

    for key, with_gradient in (("forward", False), ("step", True)):
        row[key] = median_ms(step(ours, with_gradient), rounds)
        with compiled_operators() as there_are:
            if there_are and case.kind == "RoIAlign":  # MMCV's RoIPool is for GPUs only
                row[f"{key}_compiled"] = median_ms(step(theirs, with_gradient), rounds)
                row[f"{key}_ratio"] = row[f"{key}_compiled"] / row[key]
                row["difference"] = float((step(ours, False)() - step(theirs, False)()).abs().max())
    return row


def measure_nms(spread: float, rounds: int) -> dict:
    """One row: milliseconds for 2,000 boxes."""
    from mmpersonsearch.ops.mmcv_ext import nms

    boxes, scores = draw_boxes(2000, spread)
    options = dict(iou_threshold=0.7, offset=0)
    kept = nms(boxes, scores, **options)
    row = dict(case=f"NMS of 2,000 boxes, {len(kept)} are kept")
    row["forward"] = median_ms(lambda: nms(boxes, scores, **options), rounds)
    ext = importlib.import_module("mmcv._ext")
    if ext.__file__.endswith(".so"):
        row["forward_compiled"] = median_ms(lambda: ext.nms(boxes, scores, **options), rounds)
        row["forward_ratio"] = row["forward_compiled"] / row["forward"]
        row["difference"] = len(set(kept.tolist()) ^ set(ext.nms(boxes, scores, **options).tolist()))
    return row


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("benchmark ops", __doc__)
    parser.add_argument("--rounds", type=positive, default=9, help="the median counts")
    parser.add_argument("--layouts", nargs="+", choices=list(LAYOUTS), default=list(LAYOUTS))
    parser.add_argument("--json", help="write the measurements to this file too")
    args = parser.parse_args(argv)

    rows = [measure_layer(case, layout, args.rounds) for case in CASES for layout in args.layouts]
    rows += [measure_nms(spread, args.rounds) for spread in (4.0, 12.0, 40.0)]
    columns = dict(forward="ms", forward_compiled="compiled, ms", forward_ratio="times as fast")
    columns |= dict(step="with backward, ms", step_compiled="compiled, ms", step_ratio="times as fast")
    columns["difference"] = "largest difference"
    print_measurements(f"Operators on a CPU, {torch.get_num_threads()} threads", columns, rows)
    write_json(args.json, dict(vars(args), rows=rows))
