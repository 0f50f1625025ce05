"""Trainings of each kind of model at toy size, which run in forked processes that can be killed."""

import copy
import gc
import os
import random
import resource
import signal
import sys
import time
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from dataset_writers import write_prw
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import MessageHub, MMLogger
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmengine.runner import loops
from mmengine.visualization import Visualizer
from PIL import Image
from tiny_models import CONFIGS, NUM_IDS, ROOT, SYNTH, read_config

from mmpersonsearch.cli.command_line import CommandError, exit_on_bad_input
from mmpersonsearch.cli.run_config import read_resumed, resume_from
from mmpersonsearch.datasets import PRWDataset
from mmpersonsearch.datasets.crops import crop_persons
from mmpersonsearch.engine.console_runner import ConsoleRunner
from mmpersonsearch.registry import (
    DATA_SAMPLERS,
    DATASETS,
    HOOKS,
    LOOPS,
    MODELS,
    OPTIM_WRAPPERS,
    TRANSFORMS,
    VISUALIZERS,
)
from mmpersonsearch.utils.checkpoint import use_safe_checkpoint_loader

DETECTORS = {
    "tdn": "tdn/tdn_r18ibn_synth.py",
    "tdn-queue": "tdn/tdn_r18ibn_synth_oim-star-teacher.py",
    "oim": "oim/oim_r18_synth.py",
    "qeeps": "qeeps/qeeps_r18_synth-mini.py",
    "fdps": "fdps/fdps_r18_synth_boim.py",
    "inet": "inet/inet_r18_synth.py",
    "dc-inet": "dc_inet/dc_inet_r18_synth.py",
}
REID = {
    "bot": SYNTH / "reid/bot_r18ibn_synth.py",
    "deskpro": ROOT / "projects/deskpro/configs/deskpro_osnet-x025_clothes-synth.py",
}
NAMES = [*DETECTORS, *REID]


def write_data(root):
    """Scenes, their crops, and persons who change clothes."""
    scenes = write_prw(root / "prw")
    for split in ("train", "test"):
        crop_persons(PRWDataset(str(scenes), split=split), root / "crops", split, (64, 32))
    rng = np.random.default_rng(0)
    for split in ("bounding_box_train", "query", "bounding_box_test"):
        for name in (f"{person}_c{camera}_0.png" for person in (1, 2) for camera in (1, 2)):
            for folder, size in dict(imgs=(64, 32), mask=(64, 32), lr_face=(32, 32), hr_face=(32, 32)).items():
                path = root / "clothes" / folder / split / name
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(path)
    return root


def make_config(name, data, work_dir, iterations):
    """A training that saves a checkpoint in each iteration and keeps two."""
    cfg = _detector(name, data) if name in DETECTORS else _reid_model(name, data)
    cfg.load_from, cfg.work_dir = None, str(work_dir)
    cfg.train_cfg = dict(type="IterBasedTrainLoop", max_iters=iterations)
    for key in ("val_cfg", "val_dataloader", "val_evaluator"):
        cfg[key] = None
    cfg.param_scheduler = [dict(type="LinearLR", start_factor=0.5, by_epoch=False, begin=0, end=3)]
    cfg.default_hooks.checkpoint.update(by_epoch=False, interval=1, max_keep_ckpts=2)
    cfg.randomness = dict(seed=3, deterministic=True)
    cfg.experiment_name = f"{name} {work_dir}"
    return cfg


def _detector(name, data):
    cfg = read_config(DETECTORS[name].removeprefix("tdn/tdn_r18ibn_synth")[:-3]) if "tdn" in name else None
    cfg = cfg or Config.fromfile(SYNTH / DETECTORS[name])
    cfg.model.roi_head.reid_head.num_ids = NUM_IDS
    cfg.model.train_cfg.rcnn.sampler.num = 8
    loader = cfg.train_dataloader
    loader.update(batch_size=2, num_workers=0, persistent_workers=False)
    loader.dataset.data_root = str(data / "prw")
    next(step for step in loader.dataset.pipeline if step.type == "mmdet.Resize").scale = (128, 96)
    if teacher := cfg.model.roi_head.reid_head.get("teacher"):
        teacher.checkpoint = _write_weights(teacher.model, data / f"{name}-teacher.pth")
    return cfg


def _reid_model(name, data):
    cfg = Config.fromfile(REID[name])
    loader = cfg.train_dataloader
    loader.sampler.update(num_ids=2, num_instances=2)
    loader.update(batch_size=4, num_workers=0, persistent_workers=False)
    loader.dataset.data_root = str(data / ("crops" if name == "bot" else "clothes"))
    if name == "bot":
        cfg.model.head.num_ids = 3
        cfg.model.backbone.init_cfg = None
        for step in loader.dataset.pipeline:
            if "scale" in step:
                step.scale = (32, 64)
            elif "crop_size" in step:
                step.crop_size = (64, 32)
    else:
        loader.dataset.pipeline[0].update(body_size=(64, 32), face_size=(32, 32))
        for part in (cfg.model.body, cfg.model.face, cfg.model.teacher.model.face):
            part.head.num_ids = 2
        cfg.model.teacher.checkpoint = _write_weights(cfg.model.teacher.model, data / "deskpro-teacher.pth")
    return cfg


def _write_weights(model, path):
    if not path.exists():
        torch.manual_seed(0)
        with DefaultScope.overwrite_default_scope("mmpersonsearch"):
            torch.save(dict(state_dict=MODELS.build(copy.deepcopy(model)).state_dict()), path)
    return str(path)


@MODELS.register_module()
class ToyDetector(BaseModel):
    """Two losses of the images' means."""

    def __init__(self):
        super().__init__(dict(type="mmdet.DetDataPreprocessor", mean=[100, 100, 100], std=[50, 50, 50]))
        self.linear = torch.nn.Linear(3, 2)
        self.register_buffer("ballast", torch.zeros(50_000))  # checkpoints are larger than logs
        self.factor = 1.0

    def forward(self, inputs, data_samples, mode="tensor"):
        losses = self.linear(inputs.mean((2, 3))).square().mean(0)
        return dict(loss_one=losses[0] * self.factor, loss_two=losses[1])


def make_toy_config(data, work_dir, iterations=6, **loader):
    """A training of the toy on the scenes, two images at a time."""
    pipeline = [
        dict(type="LoadSceneImage"),
        dict(type="LoadPersonSearchAnnotations", with_bbox=True),
        dict(type="mmdet.RandomFlip", prob=0.5),
        dict(type="PackPersonSearchInputs"),
    ]
    runtime = Config.fromfile(CONFIGS / "_base_/iteration_runtime.py")
    runtime.default_hooks.checkpoint.interval = 1
    runtime.merge_from_dict(
        dict(
            model=dict(type="ToyDetector"),
            train_dataloader=dict(
                dict(batch_size=2, num_workers=0, sampler=dict(type="InfiniteSampler")) | loader,
                dataset=dict(type="PRWDataset", data_root=str(data), pipeline=pipeline),
            ),
            train_cfg=dict(type="IterBasedTrainLoop", max_iters=iterations),
            optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.01, momentum=0.9)),
            work_dir=str(work_dir),
            experiment_name=f"toy {work_dir}",
        )
    )
    return runtime


class AtIteration(Hook):
    """Calls a function with the runner before an iteration, counted from 1."""

    def __init__(self, iteration, function):
        self.iteration, self.function = iteration, function

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == self.iteration:
            self.function(runner)


class StateHook(Hook):
    """Writes the state of all random generators at the end."""

    priority = "LOWEST"

    def after_train(self, runner):
        state = dict(torch=torch.get_rng_state(), numpy=np.random.get_state()[1].tolist(), python=random.getstate())
        torch.save(state, Path(runner.work_dir, "random.pt"))


def train(cfg, *hooks):
    """Train, or resume where there is a checkpoint."""
    for kind in (MMLogger, MessageHub, Visualizer):  # of which MMEngine keeps one of a name
        kind._instance_dict = OrderedDict()
    use_safe_checkpoint_loader()
    loops.time = SimpleNamespace(sleep=lambda seconds: None, time=time.time)  # it sleeps between epochs
    cfg = copy.deepcopy(cfg)
    resume_from(cfg, "auto")
    read_resumed(cfg)
    runner = ConsoleRunner.from_cfg(cfg)
    for hook in (StateHook(), *hooks):
        runner.register_hook(hook)
    runner.train()
    return runner


def size_of_process():
    """Address space in bytes, for a limit above it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmSize")) << 10


def import_all():
    """Import now what each forked process would import for itself."""
    for kind in (DATA_SAMPLERS, DATASETS, HOOKS, LOOPS, MODELS, OPTIM_WRAPPERS, TRANSFORMS, VISUALIZERS):
        kind.import_from_location()
        kind.parent.import_from_location()
    gc.freeze()


def fork(function, *args, log):
    """Run a function in a forked process as a command does, and return its number."""
    sys.stdout.flush()
    if pid := os.fork():
        return pid
    status = 1
    try:
        sys.stdout = sys.stderr = open(log, "a", buffering=1)  # noqa: SIM115
        os.dup2(sys.stdout.fileno(), 1)
        os.dup2(sys.stdout.fileno(), 2)
        torch.set_num_threads(1)  # a forked process must not touch the parent's thread pool
        with exit_on_bad_input("train"):
            function(*args)
        status = 0
    except CommandError as error:
        status = error.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        os._exit(status)


def wait(pid, seconds=300):
    """Exit status of a forked process, minus the signal that killed it; fails if it hangs."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise AssertionError(f"process {pid} still ran after {seconds} s")


def die_at_write(number, folder):
    """Kill this process before its n-th step of writing a checkpoint: opening, renaming or removing of a file."""

    def count(event, args):
        nonlocal number
        opens = event == "open" and isinstance(args[1], str) and "w" in args[1]
        if not opens and event not in ("os.rename", "os.remove"):
            return
        if str(args[0]).startswith(folder) and ("pth" in str(args[0]) or "last_checkpoint" in str(args[0])):
            number -= 1
            if number == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def die_within_write(number, folder, size):
    """Have the kernel kill this process when the n-th checkpoint that it opens reaches a size in bytes."""

    def limit(event, args):
        nonlocal number
        if event == "open" and isinstance(args[1], str) and "w" in args[1] and ".pth" in str(args[0]):
            number -= str(args[0]).startswith(folder)
            if number == 0:
                signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    sys.addaudithook(limit)
