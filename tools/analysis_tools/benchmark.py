"""Measure the testing speed of a person search model, from images to boxes with embeddings.

Random images and an untrained model, which reports a given number of boxes:

    python tools/analysis_tools/benchmark.py tdn_r50ibn_prw --compare tdn_r50ibn_prw_oim-star

Images of the configs' test splits and trained models, one image at a time (table VI of the TDN paper). The time is the
model's, with normalization, proposals, NMS and embeddings; reading, decoding and resizing are not in it:

    python tools/analysis_tools/benchmark.py tdn_r50ibn_prw --checkpoint tdn.pth --num-images 500 \\
        --compare tdn_r50ibn_prw_oim-star --compare-checkpoint oim-star.pth

"detector" and "Re-ID" sum up the parts; a part that serves both, as OIM*'s shared head, counts as the detector's.

Models are tested as ``mmpersonsearch test`` tests them, with norms folded (``--unfolded``: as they were trained).
``--layers`` also runs their bare convolutions and linear layers in each round, without norms, bias and all else, and
matrix products of the same shapes; a profile says where the time goes. With ``--amp`` or ``--compile``, it prints how
far embeddings are from those of the model in float32.

With ``--train``, it times training steps, beside MMDetection's Faster R-CNN C4 with as many RoIs:

    python tools/analysis_tools/benchmark.py oim_r50_prw --train
"""

from __future__ import annotations

import argparse
import json
import time
from statistics import mean, median, stdev

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.dataset import BaseDataset, pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.runner import autocast
from model_timers import OF_REID, STAGES, BareLayers, StageTimer, time_of_kinds
from train_timer import compare_training

from mmpersonsearch.apis import build_model
from mmpersonsearch.cli.command_line import (
    add_config,
    add_data_set,
    add_device,
    exit_on_bad_input,
    positive,
    print_table,
)
from mmpersonsearch.cli.flops import count_gflops
from mmpersonsearch.cli.run_config import choose_data_set, read_config
from mmpersonsearch.engine.fast_testing import describe_difference, make_fast
from mmpersonsearch.registry import DATASETS
from mmpersonsearch.utils.memory import keep_freed_memory


class TestImages:
    """Some images of a config's test split, evenly spaced over all, as batches of one without queries.

    Args:
        config: The config.
        data_set: Of a joint test split, the name of the data set.
        number: Number of images; all where there are fewer.

    Raises:
        FileNotFoundError: A file of the data set is missing.
        InputError: There is no such data set, or a file is malformed.
    """

    def __init__(self, config: Config, data_set: str | None, number: int) -> None:
        choose_data_set(config, data_set)
        init_default_scope(config.get("default_scope", "mmpersonsearch"))
        self.dataset: BaseDataset = DATASETS.build(config.test_dataloader.dataset)
        last = len(self.dataset) - 1
        self.inds = np.linspace(0, last, min(number, last + 1)).round().astype(int).tolist()

    def __len__(self) -> int:
        return len(self.inds)

    def __getitem__(self, place: int) -> dict:
        batch = pseudo_collate([self.dataset[self.inds[place]]])
        for sample in batch["data_samples"]:
            sample.pop("query_instances", None)
        return batch


class Contestant:
    """Model with its measurements.

    Args:
        config: Config file.
        checkpoint: Trained weights; without them the model reports a given number of boxes.
        args: Command-line arguments.
    """

    def __init__(self, config: str, checkpoint: str | None, args: argparse.Namespace) -> None:
        torch.manual_seed(0)
        self.config, self.args = config, args
        changed = read_config(config, args.cfg_options, allow_new_keys=args.allow_new_keys)
        self.images = TestImages(changed, args.data_set, args.num_images) if args.num_images else None
        self.model = build_model(changed, checkpoint, args.device)
        if checkpoint is None:
            # An untrained model detects at random: it reports the given number of boxes, whatever their scores.
            test_cfg = getattr(self.model, "detector", self.model).roi_head.test_cfg
            test_cfg.score_thr, test_cfg.max_per_img = -1.0, args.num_persons
            test_cfg.nms.iou_threshold = 1.0
        self.trained = self.model
        if not args.unfolded:
            self.model = make_fast(self.trained, args.compile, args.device)
        if args.amp or args.compile:
            with torch.no_grad():
                print(f"{config}: {describe_difference(self.trained, self.model, self.batch(0), args.amp)}")
        self.clock = time.process_time if args.processor_time else time.perf_counter
        self.gflops: float | None = None
        self.times: list[float] = []  # seconds of the images
        self.num_boxes: list[int] = []
        self.layers: BareLayers | None = None
        self.kinds: dict[str, float] | None = None  # milliseconds of a profiled image
        self.bare: list[tuple[float, ...]] = []  # seconds of the images' bare layers and products, in all and in Part-1
        self.timer = StageTimer(self.model, self.synchronize, self.clock)

    def synchronize(self) -> None:
        """Wait for the device's work."""
        if self.args.device.startswith("cuda"):
            torch.cuda.synchronize()

    def batch(self, number: int) -> dict:
        """Read a test image, or draw random gallery images."""
        if self.images is not None:
            return self.images[number % len(self.images)]
        height, width = self.args.shape
        meta = dict(img_shape=(height, width), ori_shape=(height, width), scale_factor=(1.0, 1.0))
        samples = [DetDataSample(metainfo=meta) for _ in range(self.args.batch_size)]
        images = torch.randint(0, 256, (self.args.batch_size, 3, height, width), dtype=torch.uint8)
        return dict(inputs=list(images), data_samples=samples)

    @torch.no_grad()
    def step(self, number: int = 0) -> None:
        """Run one batch, from images to boxes with embeddings."""
        batch = self.batch(number)
        self.synchronize()
        started = self.clock()
        with autocast(enabled=self.args.amp):
            results = self.model.test_step(batch)
        self.synchronize()
        self.times += [(self.clock() - started) / len(results)] * len(results)
        self.num_boxes += [len(result.pred_instances) for result in results]
        if self.layers is not None:
            seconds = [s for part in ("", "backbone") for s in self.layers.run(self.clock, self.synchronize, part)]
            self.bare.append(tuple(s / len(results) for s in seconds))

    def warm_up(self) -> None:
        """Run the first batches, which are not timed; of random images, count the floating-point operations."""
        if self.images is None:  # of the model as it was trained: PyTorch does not count its fused convolutions
            fast, self.model = self.model, self.trained
            self.gflops, self.model = count_gflops(self.step) / self.args.batch_size, fast
        for number in range(self.args.warm_up):
            self.step(number)
        if self.args.layers:
            self.layers = BareLayers(self.model, self.step)
            self.kinds = time_of_kinds(self.step)
        self.times, self.num_boxes, self.bare = [], [], []
        self.timer.seconds.clear()

    def summary(self) -> dict:
        """Return images per second, mean milliseconds per image of each stage, boxes per image, and sizes.

        Random images are alike, of which the median counts. Of test images the mean counts, with sample standard
        deviations, and each image's milliseconds and boxes are there.
        """
        seconds = self.timer.seconds
        stages = {name: 1e3 * seconds[name] / len(self.times) for name in STAGES if name in seconds}
        stages["rest"] = 1e3 * mean(self.times) - sum(stages.values())
        reid = sum(stages.get(name, 0.0) for name in OF_REID)
        found = dict(
            config=self.config,
            images_per_second=1 / (median if self.images is None else mean)(self.times),
            milliseconds=stages,
            detector_milliseconds=1e3 * mean(self.times) - reid,
            reid_milliseconds=reid,
            boxes_per_image=mean(self.num_boxes),
            million_parameters=sum(p.numel() for p in self.trained.parameters()) / 1e6,
            gflops=self.gflops,
        )
        if self.bare:
            names = ("bare_layers", "bare_products", "bare_layers_of_backbone", "bare_products_of_backbone")
            found.update({f"{name}_ms": 1e3 * median(one) for name, one in zip(names, zip(*self.bare))})
            found["bare_share"] = found["bare_layers_ms"] / (1e3 * median(self.times))
            found["bare_share_of_backbone"] = found["bare_layers_of_backbone_ms"] / stages["backbone (Part-1)"]
            found["kinds_ms"] = self.kinds
        if self.images is not None:
            spread = stdev if len(self.times) > 1 else lambda values: 0.0
            images = [dict(milliseconds=1e3 * t, boxes=n) for t, n in zip(self.times, self.num_boxes)]
            of_image = dict(milliseconds_per_image=1e3 * mean(self.times), milliseconds_spread=1e3 * spread(self.times))
            found.update(of_image, boxes_spread=spread(self.num_boxes), images=images)
        return found


PARTS = {"detector": "detector", "Re-ID": "reid"}
ROWS = {
    "milliseconds_per_image": "all",
    "milliseconds_spread": "all, spread over images",
    "images_per_second": "images per second",
    "boxes_per_image": "persons per image",
    "boxes_spread": "persons, spread over images",
    "gflops": "GFLOPs",
    "bare_layers_ms": "bare layers",
    "bare_products_ms": "matrix products of their shapes",
    "bare_share": "bare layers / all",
    "bare_share_of_backbone": "bare layers / all, in Part-1",
    "million_parameters": "million parameters",
}


def print_summaries(summaries: list[dict]) -> None:
    """Print the summaries side by side."""
    stages = [name for name in (*STAGES, "rest") if any(name in one["milliseconds"] for one in summaries)]
    rows = [(name, *(one["milliseconds"].get(name) for one in summaries)) for name in stages]
    rows += [(f"{who}, sum", *(one[f"{key}_milliseconds"] for one in summaries)) for who, key in PARTS.items()]
    for key, title in ROWS.items():
        if all(one.get(key) is not None for one in summaries):
            rows.append((title, *(float(one[key]) for one in summaries)))
    heads = [one["config"].rpartition("/")[2] for one in summaries]
    print_table("Testing", ("milliseconds per image", *heads), rows)
    kinds = [one["kinds_ms"] for one in summaries if "kinds_ms" in one]
    rows = [(kind, *(one.get(kind) for one in kinds)) for kind in (kinds[0] if kinds else ())]
    if rows:
        print_table("Operators of one image, with the profiler", ("milliseconds", *heads), rows)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config(parser)
    parser.add_argument("--checkpoint", metavar="FILE", help="trained weights of the model")
    parser.add_argument("--compare", metavar="CONFIG", help="second model, in turns with the first")
    parser.add_argument("--compare-checkpoint", metavar="FILE", help="trained weights of the second model")
    parser.add_argument("--num-images", type=positive, metavar="N", help="time N test images, not random ones")
    add_data_set(parser)
    random = parser.add_argument_group("random images")
    random.add_argument("--shape", type=positive, nargs=2, metavar=("HEIGHT", "WIDTH"), help="600 960 by default")
    random.add_argument("--batch-size", type=positive, help="images of a batch (1)")
    parser.add_argument("--num-persons", type=positive, default=10, help="boxes per image of an untrained model (10)")
    parser.add_argument("--rounds", type=positive, help="batches of random images per model (10), or passes (1)")
    parser.add_argument("--warm-up", type=positive, default=1, metavar="N", help="batches before, not timed (1)")
    parser.add_argument("--unfolded", action="store_true", help="test models as they were trained")
    parser.add_argument("--amp", action="store_true", help="mixed precision (bfloat16 on a CPU)")
    parser.add_argument("--compile", action="store_true", help="compile the networks by torch.compile")
    parser.add_argument("--layers", action="store_true", help="measure bare convolutions and kinds of layers too")
    parser.add_argument("--train", action="store_true", help="time training steps, beside MMDetection's detector")
    help_text = "seconds of the processor instead of the clock: on a CPU with other work, with OMP_NUM_THREADS=1"
    parser.add_argument("--processor-time", action="store_true", help=help_text)
    add_device(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    args = parser.parse_args(argv)
    if args.num_images and (args.shape or args.batch_size):
        parser.error("--shape and --batch-size are of random images, --num-images takes test images one at a time")
    if args.data_set and not args.num_images:
        parser.error("--data-set needs --num-images")
    if args.compare_checkpoint and not args.compare:
        parser.error("--compare-checkpoint needs --compare")
    if args.train and (args.checkpoint or args.num_images or args.layers or args.compile):
        parser.error("--train takes random images and no checkpoint, --layers and --compile are for testing")
    args.shape, args.batch_size = args.shape or [600, 960], args.batch_size or 1
    args.rounds = args.rounds or (1 if args.num_images else 10)
    return args


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    keep_freed_memory()
    if args.train:
        with exit_on_bad_input("benchmark.py"):
            return compare_training(args)
    models = [(args.config, args.checkpoint), (args.compare, args.compare_checkpoint)]
    with exit_on_bad_input("benchmark.py"):
        contestants = [Contestant(config, checkpoint, args) for config, checkpoint in models if config]
    for contestant in contestants:
        contestant.warm_up()
    number = len(contestants[0].images) if args.num_images else 1
    for step in range(args.rounds * number):
        for contestant in contestants:
            contestant.step(step)

    summaries = [contestant.summary() for contestant in contestants]
    ratio = summaries[0]["images_per_second"] / summaries[-1]["images_per_second"]
    measured = dict(num_images=number) if args.num_images else dict(shape=args.shape)
    if args.json:
        print(json.dumps(dict(results=summaries, ratio=ratio, **measured, device=args.device)))
        return
    print_summaries(summaries)
    if args.compare:
        flops = [one["gflops"] for one in summaries]
        beside = f", which needs {flops[1] / flops[0]:.2f} times its FLOPs" if all(flops) else ""
        print(f"{args.config} is {ratio:.2f} times as fast as {args.compare}{beside}")


if __name__ == "__main__":
    main()
