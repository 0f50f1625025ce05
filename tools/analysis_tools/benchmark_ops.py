"""Measure RoIAlign, RoIPool and NMS in the shapes of the papers' models, and compare with MMCV's compiled operators.

Images have 600 x 960 pixels. Maps are in channels_last, as the backbones of this package return them, or contiguous;
compiled RoIAlign misreads channels_last, so its time includes a copy.

python tools/analysis_tools/benchmark_ops.py --rounds 9
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from measure import median_ms, parse_args, print_measurements
from torch import Tensor, nn

import mmpersonsearch.models  # noqa: F401  (it makes mmcv.ops importable)
from mmpersonsearch.cli.command_line import positive, write_json

HEIGHT, WIDTH = 600, 960
LAYOUTS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}


class Case(NamedTuple):
    """RoI layer of a model: name, ``RoIAlign`` or ``RoIPool``, and sizes of input and output."""

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
    """Draw (n, 5) RoIs of persons in an image."""
    generator = torch.Generator().manual_seed(0)
    height, width, x, y = torch.rand(4, number, generator=generator)
    height = 60 + 300 * height
    width = height * (0.3 + 0.2 * width)
    x, y = x * (WIDTH - width), y * (HEIGHT - height)
    return torch.stack((torch.zeros(number), x, y, x + width, y + height), 1)


def draw_boxes(number: int, spread: float) -> tuple[Tensor, Tensor]:
    """Draw (n, 4) proposals around 40 persons with a spread in pixels, and their scores."""
    generator = torch.Generator().manual_seed(0)
    persons = draw_rois(40)[:, 1:]
    boxes = persons[torch.randint(40, (number,), generator=generator)]
    boxes = boxes + spread * torch.randn(number, 4, generator=generator)
    boxes[:, 2:] = torch.maximum(boxes[:, 2:], boxes[:, :2] + 10)
    return boxes, torch.rand(number, generator=generator)


@contextmanager
def compiled_operators() -> Iterator[bool]:
    """Restore MMCV's compiled operators in a block; yields whether there are any."""
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
    """Make our layer and MMCV's."""
    import mmcv.ops

    from mmpersonsearch.ops import roi_layers

    options = dict(sampling_ratio=case.sampling_ratio) if case.kind == "RoIAlign" else {}
    return tuple(getattr(module, case.kind)(case.size, 1 / case.stride, **options) for module in (roi_layers, mmcv.ops))


def measure_layer(case: Case, layout: str, rounds: int) -> dict:
    """Measure one row: milliseconds of forward, and of forward and backward."""
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
    """Measure one row: milliseconds for 2,000 boxes."""
    from mmpersonsearch.ops.mmcv_ext import nms

    boxes, scores = draw_boxes(2000, spread)
    options = dict(iou_threshold=0.7, offset=0)
    kept = nms(boxes, scores, **options)
    row = dict(case=f"NMS of 2,000 boxes, {len(kept)} kept")
    row["forward"] = median_ms(lambda: nms(boxes, scores, **options), rounds)
    ext = importlib.import_module("mmcv._ext")
    if ext.__file__.endswith(".so"):
        row["forward_compiled"] = median_ms(lambda: ext.nms(boxes, scores, **options), rounds)
        row["forward_ratio"] = row["forward_compiled"] / row["forward"]
        row["difference"] = len(set(kept.tolist()) ^ set(ext.nms(boxes, scores, **options).tolist()))
    return row


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=positive, default=9, help="the median is reported")
    parser.add_argument("--layouts", nargs="+", choices=list(LAYOUTS), default=list(LAYOUTS))
    args = parse_args(parser, argv)

    rows = [measure_layer(case, layout, args.rounds) for case in CASES for layout in args.layouts]
    rows += [measure_nms(spread, args.rounds) for spread in (4.0, 12.0, 40.0)]
    columns = dict(forward="ms", forward_compiled="compiled, ms", forward_ratio="times as fast")
    columns |= dict(step="with backward, ms", step_compiled="compiled, ms", step_ratio="times as fast")
    columns["difference"] = "largest difference"
    print_measurements(f"Operators on a CPU, {torch.get_num_threads()} threads", columns, rows)
    write_json(args.json, dict(vars(args), rows=rows))


if __name__ == "__main__":
    main()
