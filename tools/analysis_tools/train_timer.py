"""Time and memory of training steps, beside MMDetection's Faster R-CNN C4 on the same images."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import median

import mmdet
import torch
from measure import memory
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from random_training import draw_batch
from torch import nn

from mmpersonsearch.cli.command_line import print_table
from mmpersonsearch.cli.run_config import read_config, use_mixed_precision
from mmpersonsearch.engine.num_ids import set_num_ids
from mmpersonsearch.registry import MODELS

NUM_IDS = 1000
REFERENCE = "faster-rcnn_r50-caffe-c4.py"


def read_reference(num_rois: int) -> Config:
    """MMDetection's Faster R-CNN C4 with one class, random weights and as many RoIs of an image."""
    root = Path(mmdet.__file__).parent / ".mim"
    config = Config.fromfile(root / "configs/_base_/models" / REFERENCE)
    config.default_scope = "mmdet"
    config.model.backbone.init_cfg = None
    config.model.roi_head.bbox_head.num_classes = 1
    config.model.train_cfg.rcnn.sampler.num = num_rois
    config.optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=1e-4, momentum=0.9))
    return config


class Trainee:
    """Model that is trained on random images with random persons, with its measurements.

    Args:
        name: Its name.
        config: Its config.
        args: Command-line arguments.
    """

    def __init__(self, name: str, config: Config, args: argparse.Namespace) -> None:
        torch.manual_seed(0)
        self.name, self.args = name, args
        if args.amp:
            use_mixed_precision(config, args.device.startswith("cuda"))
        set_num_ids(config.model, NUM_IDS)
        init_default_scope(config.default_scope)
        self.model = MODELS.build(config.model).to(args.device).train()
        for part in self.model.modules():
            for hidden in (part, getattr(part, "teacher", None)):
                if hasattr(hidden, "loaded"):
                    hidden.loaded = True  # its random weights cost the same
        builder = Runner.__new__(Runner)  # builds the wrapper as a training does
        builder.model = self.model
        self.optimizer = Runner.build_optim_wrapper(builder, config.optim_wrapper)
        self.seconds: list[float] = []

    def step(self, batch: dict) -> None:
        """Train on a batch; move it, without the copy of its samples that it needs, in the time."""
        samples = [sample.clone() for sample in batch["data_samples"]]
        self._synchronize()
        started = self.clock()
        self.model.train_step(dict(batch, data_samples=samples), self.optimizer)
        self._synchronize()
        self.seconds.append(self.clock() - started)

    def clock(self) -> float:
        """Read the clock, or that of the processor."""
        return time.process_time() if self.args.processor_time else time.perf_counter()

    def _synchronize(self) -> None:
        if self.args.device.startswith("cuda"):
            torch.cuda.synchronize()


def train_alone(trainee: Trainee, batch: dict) -> float:
    """Warm up; return the GiB that the first steps needed at most, above those before."""
    if trainee.args.device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        before = memory("VmRSS")
    for _ in range(trainee.args.warm_up):
        trainee.step(batch)
    trainee.seconds.clear()
    on_gpu = trainee.args.device.startswith("cuda")
    return (torch.cuda.max_memory_allocated() - before) / 2**30 if on_gpu else memory("VmHWM") - before


def num_rois_of(model: nn.Module) -> int:
    """RoIs of an image that the box head is trained on."""
    return model.train_cfg["rcnn"]["sampler"]["num"]


def compare_training(args: argparse.Namespace) -> None:
    """Time training steps of the config, of ``--compare`` and of MMDetection's detector in turn, and print them."""
    names = [name for name in (args.config, args.compare) if name]
    trainees = [
        Trainee(name, read_config(name, args.cfg_options, allow_new_keys=args.allow_new_keys), args) for name in names
    ]
    num_rois = num_rois_of(trainees[0].model)
    trainees.append(Trainee(f"MMDetection's {REFERENCE}", read_reference(num_rois), args))
    batch = draw_batch(args.shape, args.batch_size, args.num_persons)
    peaks = [train_alone(trainee, batch) for trainee in trainees]
    for _ in range(args.rounds):
        for trainee in trainees:
            trainee.step(batch)
    seconds = [median(trainee.seconds) for trainee in trainees]
    rows = [
        dict(config=one.name, seconds_a_step=s, ratio=s / seconds[-1], peak_gib=gib, num_rois=num_rois_of(one.model))
        for one, s, gib in zip(trainees, seconds, peaks)
    ]
    if args.json:
        print(json.dumps(dict(results=rows, shape=args.shape, batch_size=args.batch_size, device=args.device)))
        return
    heads = ("", "seconds a step", "times MMDetection's", "GiB at most", "RoIs an image")
    title = f"Training, {args.batch_size} image(s) of {args.shape[0]}x{args.shape[1]}, {args.num_persons} persons each"
    print_table(title, heads, [tuple(row.values()) for row in rows])
