"""Measure search by pairs (QEEPS): milliseconds a pair, beside the same model that computes all of each pair anew.

The model is untrained, images are random. Queries are paired with galleries as PairSearchLoop does it: what does not
depend on the pair is computed once an image. "base" is the backbone with its gates alone. Without QSSE it is computed
once an image, so that the ratio grows with the number of images: 2 Q G / (Q + G) for Q queries and G galleries.

    python tools/analysis_tools/benchmark_pairs.py configs/qeeps/qeeps_r18_cuhk.py
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Hashable
from functools import partial

import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import nn

from mmpersonsearch.apis import build_model
from mmpersonsearch.cli.command_line import (
    add_config,
    add_device,
    exit_on_bad_input,
    positive,
    print_table,
    write_json,
)
from mmpersonsearch.cli.run_config import read_config_of
from mmpersonsearch.structures import PairImages
from mmpersonsearch.utils.errors import InputError

FIELDS = ("bboxes", "scores", "similarities")


class Pairs:
    """Random queries and galleries of one size, and a model that pairs them, in batches of all queries."""

    def __init__(self, model: nn.Module, args: argparse.Namespace) -> None:
        self.model = model
        height, width = args.shape
        generator = torch.Generator().manual_seed(0)
        sizes = [(number, 3, height, width) for number in (args.queries, args.galleries)]
        self.queries, self.galleries = (torch.randn(size, generator=generator).to(args.device) for size in sizes)
        shape = dict(img_shape=(height, width), batch_input_shape=(height, width), pad_shape=(height, width))
        meta = dict(shape, ori_shape=(height, width), scale_factor=(1.0, 1.0))
        self.gallery_sample = DetDataSample(metainfo=meta)
        self.query_samples = [DetDataSample(metainfo=meta) for _ in self.queries]
        for sample in self.query_samples:
            box = torch.tensor([[0.4 * width, 0.2 * height, 0.5 * width, 0.6 * height]])
            sample.query_instances = InstanceData(bboxes=box.to(args.device))

    def shared(self, run: Callable) -> list:
        """Run on pairs whose shared maps are computed once an image."""
        queries = PairImages(torch.cat([self._maps(image) for image in self.queries]), self.query_samples)
        return [run(queries, PairImages(self._maps(image), [self.gallery_sample])) for image in self.galleries]

    def anew(self, run: Callable) -> list:
        """Run on pairs of which everything is computed anew."""
        results = []
        for image in self.galleries:
            query_maps = torch.cat([self._maps(query) for query in self.queries])
            gallery_maps = torch.cat([self._maps(image) for _ in self.queries])
            galleries = PairImages(gallery_maps, [self.gallery_sample] * len(self.queries))
            results.append(run(PairImages(query_maps, self.query_samples), galleries))
        return results

    def _maps(self, image: torch.Tensor) -> torch.Tensor:
        return self.model.extract_shared(image[None])


@torch.no_grad()
def measure_in_turns(calls: dict[Hashable, Callable], rounds: int, device: str) -> dict[Hashable, float]:
    """Call functions in turns, once to warm up and then ``rounds`` times; returns the median seconds of each."""
    seconds: dict[Hashable, list[float]] = {name: [] for name in calls}
    for _ in range(rounds + 1):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}


@torch.no_grad()
def largest_difference(pairs: Pairs, run: Callable) -> float:
    """Largest difference between the first gallery's results of both ways; infinite where they differ in number."""
    largest, pairs.galleries = 0.0, pairs.galleries[:1]
    for ours, theirs in zip(pairs.shared(run), pairs.anew(run)):
        for one, other in zip(ours, theirs, strict=True):
            if len(one) != len(other):
                return float("inf")
            differences = [(one[name] - other[name]).abs().max() for name in FIELDS if len(one)]
            largest = max([largest, *map(float, differences)])
    return largest


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config(parser)
    parser.add_argument("--shape", type=positive, nargs=2, default=[600, 960], metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--queries", type=positive, default=8, help="queries, which are a batch (%(default)s)")
    parser.add_argument("--galleries", type=positive, default=8, help="gallery images (%(default)s)")
    parser.add_argument("--num-persons", type=positive, default=10, help="detections of a pair (%(default)s)")
    parser.add_argument("--parts", nargs="+", choices=["whole", "base"], default=["whole", "base"])
    parser.add_argument("--rounds", type=positive, default=3, help="the median is reported (%(default)s)")
    parser.add_argument("--json", help="write the measurements to this file too")
    add_device(parser)
    args = parser.parse_args(argv)
    with exit_on_bad_input("benchmark_pairs.py"):
        torch.manual_seed(0)
        model = build_model(read_config_of(args), device=args.device)
        if not hasattr(model, "detect_pairs"):
            raise InputError(f"{args.config}: model.type {type(model).__name__} does not search by pairs")
    test_cfg = model.roi_head.test_cfg  # an untrained model detects at random: a number of boxes, whatever their scores
    test_cfg.score_thr, test_cfg.max_per_img, test_cfg.nms.iou_threshold = -1.0, args.num_persons, 1.0
    pairs = Pairs(model, args)
    runs = {"whole": model.detect_pairs, "base": model.extract_pairs}
    runs = {part: runs[part] for part in args.parts}
    ways = {"shared": pairs.shared, "anew": pairs.anew}
    calls = {(way, part): partial(ways[way], run) for part, run in runs.items() for way in ways}
    seconds = measure_in_turns(calls, args.rounds, args.device)
    number = args.queries * args.galleries
    rows = []
    for part in runs:
        ours, theirs = (1000 * seconds[way, part] / number for way in ways)
        rows.append(dict(part=part, shared_ms=ours, anew_ms=theirs, ratio=theirs / ours))
    difference = largest_difference(pairs, model.detect_pairs)
    title = f"{args.config}: {args.queries} queries x {args.galleries} galleries of {args.shape[0]}x{args.shape[1]}"
    print_table(title, ("milliseconds a pair", "shared", "anew", "ratio"), [tuple(row.values()) for row in rows])
    print(f"Largest difference of boxes, scores and similarities: {difference:.2g}")
    write_json(args.json, dict(vars(args), rows=rows, largest_difference=difference))


if __name__ == "__main__":
    main()
