"""Count a person-search model's floating-point operations in testing, part by part, as TDN's table VII does."""

from __future__ import annotations

import argparse
import json

import torch
from torch import nn

from mmpersonsearch.apis import build_model

from .command_line import add_config, exit_on_bad_input, make_parser, print_table
from .measure import count_gflops
from .run_config import read_config

UNITS = dict(part1="an image", rpn="an image", roi_head="a RoI", shared_head="a RoI", ktb="a person", part2="a person")


def count_on_roi(part: nn.Module, extractor: nn.Module) -> float:
    """GFLOPs of a part on one RoI of an extractor."""
    return count_gflops(part, torch.randn(1, extractor.out_channels, *extractor.roi_layers[0].output_size))


def count_parts(model: nn.Module, height: int, width: int, num_persons: int) -> dict[str, float]:
    """Count each part, and all parts of one image.

    Returns:
        GFLOPs: ``part1`` and ``rpn`` an image, ``roi_head`` and ``shared_head`` a RoI, ``ktb`` and ``part2`` a person;
        ``total`` as in the paper's table, which leaves out the RPN, and ``total_with_rpn``; and the numbers
        ``num_rois`` and ``num_persons`` that they are for.
    """
    roi_head = model.roi_head
    num_rois = model.test_cfg.rpn.max_per_img
    image = torch.randn(1, 3, height, width)
    parts = dict(part1=count_gflops(model.backbone, image))
    with torch.no_grad():
        (feat,) = model.extract_feat(image)
    parts["rpn"] = count_gflops(model.rpn_head.forward_single, feat)
    if roi_head.with_shared_head:
        parts["shared_head"] = count_on_roi(roi_head.shared_head, roi_head.bbox_roi_extractor)
    else:
        parts["roi_head"] = count_on_roi(roi_head.bbox_head, roi_head.bbox_roi_extractor)
        parts["part2"] = count_on_roi(roi_head.part2, roi_head.reid_roi_extractor)
        if roi_head.bridge is not None:
            parts["ktb"] = count_on_roi(roi_head.bridge, roi_head.crop_extractor)
    times = {"an image": 1, "a RoI": num_rois, "a person": num_persons}
    total = sum(times[UNITS[name]] * gflops for name, gflops in parts.items() if name != "rpn")
    return dict(parts, total=total, total_with_rpn=total + parts["rpn"], num_rois=num_rois, num_persons=num_persons)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = make_parser("flops", __doc__)
    add_config(parser)
    parser.add_argument("--shape", type=int, nargs=2, default=[600, 960], metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--num-persons", type=int, default=10, help="final boxes of an image")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with exit_on_bad_input("mmpersonsearch flops"):
        model = build_model(read_config(args.config, args.cfg_options))
    parts = count_parts(model, *args.shape, args.num_persons)
    if args.json:
        print(json.dumps({key: round(value, 2) for key, value in parts.items()}))
        return
    rows = [(f"{key} ({unit})", parts[key]) for key, unit in UNITS.items() if key in parts]
    total = f"total of {parts['num_rois']} RoIs, {args.num_persons} persons, without RPN"
    rows += [(total, parts["total"]), ("total with RPN", parts["total_with_rpn"])]
    title = f"GFLOPs of {args.config} at {args.shape[0]}x{args.shape[1]}"
    print_table(title, ("part", "GFLOPs"), [(name, f"{gflops:.2f}") for name, gflops in rows])
