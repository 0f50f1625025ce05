"""Inputs of MMCV's operators whose results were recorded from a compiled MMCV, and the recording of them.

    python tests/ops/mmcv_cases.py    # with a compiled MMCV: writes mmcv_values.npz beside this file

Inputs are drawn anew each time; what is recorded are values and gradients.
"""

import importlib
from itertools import product
from pathlib import Path

import numpy as np
import torch

RECORD = Path(__file__).with_name("mmcv_values.npz")
SIZE = (2, 3, 9, 14)  # of the maps; stride 8
# Inside, over the borders, beyond, of no size, thinner than a pixel, the whole map, on the other image.
ROIS = [
    [0, 10, 12, 50, 70],
    [0, -30, -20, 130, 95],
    [1, 300, 500, 400, 700],
    [1, 20, 20, 20, 20],
    [0, 33.3, 2, 34.1, 71],
    [1, 0, 0, 112, 72],
    [1, 55.5, 41.25, 90.125, 67],
]


def make_align_cases():
    """Options of RoIAlign by name."""
    for size, ratio, aligned in product([(7, 7), (8, 4)], [0, 1, 2], [True, False]):
        name = f"align_{size[0]}x{size[1]}_ratio{ratio}_{'aligned' if aligned else 'legacy'}"
        yield name, dict(aligned_height=size[0], aligned_width=size[1], sampling_ratio=ratio, aligned=aligned)
    crop = dict(aligned_height=32, aligned_width=16, sampling_ratio=0, aligned=True)
    yield "align_32x16_ratio0_aligned", crop


def draw_maps():
    """(B, C, H, W) and (n, 5)."""
    return torch.randn(SIZE, generator=torch.Generator().manual_seed(5)), torch.tensor(ROIS)


def run_align(ext, options, layout=torch.contiguous_format):
    """Values and gradient of a linear function of them, by the functions of a module ``mmcv._ext``."""
    maps, rois = draw_maps()
    maps = maps.contiguous(memory_format=layout)
    output = maps.new_zeros(len(rois), SIZE[1], options["aligned_height"], options["aligned_width"])
    common = dict(spatial_scale=1 / 8, pool_mode=1, **options)
    nothing = maps.new_zeros(0)
    ext.roi_align_forward(maps, rois, output, nothing, nothing, **common)
    gradient = torch.zeros_like(maps)
    ext.roi_align_backward(weights_of(output), rois, nothing, nothing, gradient, **common)
    return output, gradient


def weights_of(output):
    """What the gradient is of: the sum of the outputs times these."""
    return torch.randn(output.shape, generator=torch.Generator().manual_seed(6))


def make_nms_cases():
    """Boxes, scores and options by name."""
    for number, threshold, offset in product([60, 300], [0.3, 0.7], [0, 1]):
        generator = torch.Generator().manual_seed(number)
        corners = torch.rand(number, 2, generator=generator) * 200
        boxes = torch.cat((corners, corners + 20 + torch.rand(number, 2, generator=generator) * 80), 1)
        scores = torch.rand(number, generator=generator)
        yield f"nms_{number}_{threshold}_{offset}", boxes, scores, dict(iou_threshold=threshold, offset=offset)


class Compiled:
    """The operators of a compiled MMCV, also where this package has put its own before them."""

    def __init__(self):
        self.ext = importlib.import_module("mmcv._ext")

    def __getattr__(self, name):
        operator = getattr(self.ext, name)
        return getattr(operator, "compiled", operator)


def record():
    """Write what a compiled MMCV gives."""
    ext, values = Compiled(), {}
    if ext.ext.__file__.endswith(".py"):
        raise SystemExit("mmcv_cases.py: MMCV is not compiled here; make setup OPS=compiled")
    for name, options in make_align_cases():
        output, gradient = run_align(ext, options)
        values[name], values[f"{name}_gradient"] = output.numpy(), gradient.numpy()
    for name, boxes, scores, options in make_nms_cases():
        values[name] = ext.nms(boxes, scores, **options).numpy()
    np.savez_compressed(RECORD, **values)
    print(f"{RECORD}: {RECORD.stat().st_size} bytes")


if __name__ == "__main__":
    record()
