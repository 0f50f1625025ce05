"""Count the floating-point operations of each part of a person search model in testing (table VII of the TDN paper)."""

from __future__ import annotations

import json
from collections.abc import Callable

import torch
from mmdet.structures import DetDataSample
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mmpersonsearch.apis import build_model
from mmpersonsearch.structures import PairImages
from mmpersonsearch.utils.errors import InputError

from .command_line import add_config, exit_on_bad_input, make_parser, positive, print_table
from .run_config import read_config_of

# The unit of each part: its operations are counted per image, RoI or person.
UNITS = dict(part1="image", rpn="image", roi_head="RoI", shared_head="RoI", ktb="person", part2="person")


@torch.no_grad()
def count_gflops(function: Callable[..., object], *args: object) -> float:
    """Count the GFLOPs of a call: 2 x multiply-adds of convolutions and matrix products, as papers count them."""
    with FlopCounterMode(display=False) as counter:
        function(*args)
    return counter.get_total_flops() / 1e9


def count_on_roi(part: Callable[..., object], extractor: nn.Module) -> float:
    """Count the GFLOPs of a part on one RoI of an extractor."""
    return count_gflops(part, torch.randn(1, extractor.out_channels, *extractor.roi_layers[0].output_size))


@torch.no_grad()
def count_base_of_pair(model: nn.Module, image: Tensor) -> float:
    """Count the GFLOPs of both images' base, of gates and QRPN, of a pair of (1, 3, H, W) images of one size."""
    side = PairImages(model.extract_shared(image), [DetDataSample(metainfo=dict(img_shape=tuple(image.shape[2:])))])
    gflops = 2 * count_gflops(model.extract_shared, image) + count_gflops(model.extract_pairs, side, side)
    if model.qrpn is not None:
        _, gallery_map = model.extract_pairs(side, side)
        gflops += count_on_roi(lambda query: model.qrpn(query, gallery_map), model.roi_head.bbox_roi_extractor)
    return gflops


def count_parts(model: nn.Module, height: int, width: int, num_persons: int) -> dict[str, float]:
    """Count each part, and all parts for one image.

    Returns:
        GFLOPs of the parts that the model has, by the names and units in :data:`UNITS`; ``total`` of an image without
        the RPN, as in the paper's table, and ``total_with_rpn``; ``num_rois`` and ``num_persons`` of an image. Of a
        model that searches by pairs (QEEPS) also ``pair``, of which nothing is shared with another, with the RPN.
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
        if hasattr(roi_head, "part2"):  # a detector alone has none
            parts["part2"] = count_on_roi(roi_head.part2, roi_head.reid_roi_extractor)
        if getattr(roi_head, "bridge", None) is not None:
            parts["ktb"] = count_on_roi(roi_head.bridge, roi_head.crop_extractor)
    times = {"image": 1, "RoI": num_rois, "person": num_persons}
    total = sum(times[UNITS[name]] * gflops for name, gflops in parts.items() if name != "rpn")
    if hasattr(model, "detect_pairs"):
        parts["pair"] = count_base_of_pair(model, image) + parts["rpn"] + (num_rois + 1) * parts["shared_head"]
    return dict(parts, total=total, total_with_rpn=total + parts["rpn"], num_rois=num_rois, num_persons=num_persons)


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("flops", __doc__)
    add_config(parser)
    parser.add_argument("--shape", type=positive, nargs=2, default=[600, 960], metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--num-persons", type=positive, default=10, help="final boxes per image")
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    args = parser.parse_args(argv)
    with exit_on_bad_input("mmpersonsearch flops"), torch.device("meta"):  # shapes are enough to count
        model = build_model(read_config_of(args), device="meta")
        if not hasattr(model, "roi_head"):
            raise InputError(f"{args.config}: expected a model with an RoI head, got a {type(model).__name__}")
        parts = count_parts(model, *args.shape, args.num_persons)
    if args.json:
        print(json.dumps({key: round(value, 2) for key, value in parts.items()}))
        return
    rows = [(f"{key} (per {unit})", parts[key]) for key, unit in UNITS.items() if key in parts]
    total = f"total of {parts['num_rois']} RoIs, {args.num_persons} persons, without RPN"
    rows += [(total, parts["total"]), ("total with RPN", parts["total_with_rpn"])]
    rows += [("total of a pair of images with RPN", parts["pair"])] if "pair" in parts else []
    title = f"GFLOPs of {args.config} at {args.shape[0]}x{args.shape[1]}"
    print_table(title, ("part", "GFLOPs"), [(name, f"{gflops:.2f}") for name, gflops in rows])
