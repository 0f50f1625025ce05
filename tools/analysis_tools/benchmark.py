"""Measure the testing speed of a person search model, from images to boxes with embeddings."""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable
from statistics import mean, median

import torch
from mmdet.structures import DetDataSample
from torch import nn

from mmpersonsearch.apis import build_model
from mmpersonsearch.cli.command_line import add_config, add_device, exit_on_bad_input, positive, print_table
from mmpersonsearch.cli.flops import count_gflops
from mmpersonsearch.cli.run_config import read_config

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


class StageTimer:
    """Timer of the parts of a model, in seconds.

    Args:
        model: The model; parts of :data:`STAGES` that it lacks are skipped.
        synchronize: Function that waits for the device.
    """

    def __init__(self, model: nn.Module, synchronize: Callable[[], None]) -> None:
        self.seconds = defaultdict(float)
        self.synchronize = synchronize
        modules = dict(model.named_modules())
        modules |= {path.removeprefix("detector."): module for path, module in modules.items()}
        for name, path in STAGES.items():
            if path in modules:
                modules[path].register_forward_pre_hook(self._start)
                modules[path].register_forward_hook(self._stop(name))

    def _start(self, *_: object) -> None:
        self.synchronize()
        self.started = time.perf_counter()

    def _stop(self, name: str) -> Callable[..., None]:
        def stop(*_: object) -> None:
            self.synchronize()
            self.seconds[name] += time.perf_counter() - self.started

        return stop


class Contestant:
    """Model with its measurements.

    Args:
        config: Config file; the model is untrained.
        args: Command-line arguments.
    """

    def __init__(self, config: str, args: argparse.Namespace) -> None:
        torch.manual_seed(0)
        self.config, self.args = config, args
        changed = read_config(config, args.cfg_options, allow_new_keys=args.allow_new_keys)
        self.model = build_model(changed, device=args.device)
        # An untrained model detects at random: it reports the given number of boxes, whatever their scores.
        test_cfg = getattr(self.model, "detector", self.model).roi_head.test_cfg
        test_cfg.score_thr, test_cfg.max_per_img = -1.0, args.num_persons
        test_cfg.nms.iou_threshold = 1.0
        self.times: list[float] = []
        self.num_boxes: list[int] = []
        self.timer = StageTimer(self.model, self.synchronize)

    def synchronize(self) -> None:
        """Wait for the device's work."""
        if self.args.device.startswith("cuda"):
            torch.cuda.synchronize()

    def batch(self) -> dict:
        """Draw random gallery images."""
        height, width = self.args.shape
        meta = dict(img_shape=(height, width), ori_shape=(height, width), scale_factor=(1.0, 1.0))
        samples = [DetDataSample(metainfo=meta) for _ in range(self.args.batch_size)]
        images = torch.randint(0, 256, (self.args.batch_size, 3, height, width), dtype=torch.uint8)
        return dict(inputs=list(images), data_samples=samples)

    @torch.no_grad()
    def step(self) -> None:
        """Run one batch, from images to boxes with embeddings."""
        batch = self.batch()
        started = time.perf_counter()
        results = self.model.test_step(batch)
        self.synchronize()
        self.times.append((time.perf_counter() - started) / self.args.batch_size)
        self.num_boxes += [len(result.pred_instances) for result in results]

    def warm_up(self) -> None:
        """Run a first batch, which counts the floating-point operations and is not timed."""
        self.gflops = count_gflops(self.step) / self.args.batch_size
        self.times, self.num_boxes = [], []
        self.timer.seconds.clear()

    def summary(self) -> dict:
        """Return median images per second, mean milliseconds per image of each stage, boxes per image, and sizes."""
        count = len(self.times) * self.args.batch_size
        stages = {name: 1e3 * self.timer.seconds[name] / count for name in STAGES if name in self.timer.seconds}
        stages["rest"] = 1e3 * mean(self.times) - sum(stages.values())
        return dict(
            config=self.config,
            images_per_second=1 / median(self.times),
            milliseconds=stages,
            boxes_per_image=mean(self.num_boxes),
            million_parameters=sum(p.numel() for p in self.model.parameters()) / 1e6,
            gflops=self.gflops,
        )


def print_summaries(summaries: list[dict]) -> None:
    """Print the summaries side by side."""
    stages = [name for name in (*STAGES, "rest") if any(name in one["milliseconds"] for one in summaries)]
    rows = [(name, *(one["milliseconds"].get(name) for one in summaries)) for name in stages]
    for key in ("images_per_second", "gflops", "million_parameters", "boxes_per_image"):
        rows.append((key.replace("_", " "), *(float(one[key]) for one in summaries)))
    print_table("Testing", ("milliseconds per image", *(one["config"].rpartition("/")[2] for one in summaries)), rows)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_config(parser)
    parser.add_argument("--compare", metavar="CONFIG", help="second model, in turns with the first")
    parser.add_argument("--shape", type=positive, nargs=2, default=[600, 960], metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--num-persons", type=positive, default=10, help="boxes per image after NMS")
    parser.add_argument("--batch-size", type=positive, default=1)
    parser.add_argument("--rounds", type=positive, default=10, help="batches per model, after one for warm-up")
    add_device(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with exit_on_bad_input("benchmark.py"):
        contestants = [Contestant(config, args) for config in (args.config, args.compare) if config]
    for contestant in contestants:
        contestant.warm_up()
    for _ in range(args.rounds):
        for contestant in contestants:
            contestant.step()

    summaries = [contestant.summary() for contestant in contestants]
    ratio = summaries[0]["images_per_second"] / summaries[-1]["images_per_second"]
    if args.json:
        print(json.dumps(dict(results=summaries, ratio=ratio, shape=args.shape, device=args.device)))
        return
    print_summaries(summaries)
    if args.compare:
        print(f"{args.config} is {ratio:.2f} times as fast as {args.compare}")


if __name__ == "__main__":
    main()
