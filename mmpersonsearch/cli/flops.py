"""Counts a person-search model's floating-point operations in testing, part by part, as TDN's table VII does."""

from __future__ import annotations

import argparse
import json

import torch
from mmengine.analysis import FlopAnalyzer
from mmengine.config import DictAction
from rich.console import Console
from rich.table import Table
from torch import nn

from .command_line import exit_on_bad_input
from .run_config import build_for_test

# Norms, activations and RoIAlign are left out, as in the paper's figures.
COUNTED = ("conv", "linear", "addmm", "matmul", "bmm", "einsum")


def count_gflops(module: nn.Module, *input_size: int) -> float:
    """GFLOPs (2 x multiply-adds of convolutions and linear layers) of one forward pass on a drawn input."""
    analyzer = FlopAnalyzer(module.eval(), torch.randn(input_size))
    analyzer.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    by_operator = analyzer.by_operator()
    return 2e-9 * sum(by_operator[name] for name in COUNTED)


class RPNMap(nn.Module):
    """The RPN's convolutions on one map."""

    def __init__(self, rpn_head: nn.Module) -> None:
        super().__init__()
        self.rpn_head = rpn_head

    def forward(self, x: torch.Tensor) -> tuple:
        """See MMDetection's ``RPNHead.forward_single``."""
        return self.rpn_head.forward_single(x)


def roi_size(extractor: nn.Module) -> tuple[int, ...]:
    """(C, h, w) of what a RoI extractor gives."""
    return (extractor.out_channels, *extractor.roi_layers[0].output_size)


def count_parts(model: nn.Module, height: int, width: int, num_persons: int) -> dict[str, float]:
    """Count each part, and all parts of one image.

    Returns:
        GFLOPs: ``part1`` and ``rpn`` an image, ``roi_head`` and ``shared_head`` a RoI, ``ktb`` and ``part2`` a person;
        ``total`` as in the paper's table, which leaves out the RPN, and ``total_with_rpn``; and the numbers
        ``num_rois`` and ``num_persons`` that they are for.
    """
    roi_head = model.roi_head
    num_rois = model.test_cfg.rpn.max_per_img
    parts = dict(part1=count_gflops(model.backbone, 1, 3, height, width))
    with torch.no_grad():
        (feat,) = model.extract_feat(torch.randn(1, 3, height, width))
    parts["rpn"] = count_gflops(RPNMap(model.rpn_head), *feat.shape)
    if roi_head.with_shared_head:
        parts["shared_head"] = count_gflops(roi_head.shared_head, 1, *roi_size(roi_head.bbox_roi_extractor))
        total = parts["part1"] + num_rois * parts["shared_head"]
    else:
        parts["roi_head"] = count_gflops(roi_head.bbox_head, 1, *roi_size(roi_head.bbox_roi_extractor))
        parts["part2"] = count_gflops(roi_head.part2, 1, *roi_size(roi_head.reid_roi_extractor))
        total = parts["part1"] + num_rois * parts["roi_head"] + num_persons * parts["part2"]
        if roi_head.bridge is not None:
            parts["ktb"] = count_gflops(roi_head.bridge, 1, *roi_size(roi_head.crop_extractor))
            total += num_persons * parts["ktb"]
    return dict(parts, total=total, total_with_rpn=total + parts["rpn"], num_rois=num_rois, num_persons=num_persons)


UNITS = dict(part1="an image", rpn="an image", roi_head="a RoI", shared_head="a RoI", ktb="a person", part2="a person")


def main(argv: list[str] | None = None) -> None:
    """Print the parts of a config's model."""
    parser = argparse.ArgumentParser(prog="mmpersonsearch flops", description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--shape", type=int, nargs=2, default=[600, 960], metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--num-persons", type=int, default=10, help="final boxes of an image")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    args = parser.parse_args(argv)

    with exit_on_bad_input("mmpersonsearch flops"):
        model = build_for_test(args.config, args.cfg_options)
    parts = count_parts(model, *args.shape, args.num_persons)
    if args.json:
        print(json.dumps({key: round(value, 2) for key, value in parts.items()}))
        return
    table = Table(title=f"GFLOPs of {args.config} at {args.shape[0]}x{args.shape[1]}")
    table.add_column("part")
    table.add_column("GFLOPs", justify="right")
    for key, unit in UNITS.items():
        if key in parts:
            table.add_row(f"{key} ({unit})", f"{parts[key]:.2f}")
    table.add_row(
        f"total of {parts['num_rois']} RoIs, {args.num_persons} persons, without RPN", f"{parts['total']:.1f}"
    )
    table.add_row("total with RPN", f"{parts['total_with_rpn']:.1f}")
    Console().print(table)
