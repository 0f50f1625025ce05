"""Trainings and tests by several processes without GPUs, started as a user does."""

import json
import os
import pickle
import subprocess
import time

import dataset_writers
import numpy as np
import pytest
import torch
from launches import ROOT, assert_equal_predictions, environment, free_port, launch, write_config
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch.multiprocessing import start_processes

from mmpersonsearch.cli import test, train
from mmpersonsearch.registry import MODELS

# A memory and a linear model, whose batches come out the same however many processes share them. A rank can be killed.
PARTS = """
import os
import signal
import torch
import torch.nn.functional as F
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmpersonsearch.models.losses import OIMLoss
from mmpersonsearch.registry import DATASETS, HOOKS, MODELS

@MODELS.register_module()
class Embedder(BaseModel):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(8, 4)
        self.loss_id = OIMLoss(num_ids=12, feat_channels=4, queue_size=6)

    def forward(self, inputs, person_ids, mode="tensor"):
        feats = F.normalize(self.linear(torch.stack(list(inputs))))
        return dict(loss=self.loss_id(feats, torch.stack(list(person_ids))))

@DATASETS.register_module()
class Vectors(torch.utils.data.Dataset):
    metainfo = dict(classes=("person",))

    def __len__(self):
        return 12

    def __getitem__(self, index):
        vector = torch.randn(8, generator=torch.Generator().manual_seed(index))
        return dict(inputs=vector, person_ids=torch.tensor(index if index % 4 else -1))

@HOOKS.register_module()
class KillHook(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.rank == 1 and runner.iter == int(os.environ.get("KILL_AT", -1)):
            os.kill(os.getpid(), signal.SIGKILL)
"""
CONFIG = """
custom_imports = dict(imports=["parts"])
default_scope = "mmpersonsearch"
model = dict(type="Embedder")
train_dataloader = dict(
    batch_size=6, num_workers=0, dataset=dict(type="Vectors"), sampler=dict(type="InfiniteSampler", shuffle=True)
)
train_cfg = dict(type="IterBasedTrainLoop", max_iters=7)
optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.1, momentum=0.9))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=4),
    dict(type="MultiStepLR", by_epoch=False, milestones=[5], gamma=0.1),
]
default_hooks = dict(
    checkpoint=dict(type="CheckpointHook", interval=1, by_epoch=False), logger=dict(type="LoggerHook", interval=1)
)
custom_hooks = [dict(type="KillHook")]
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
"""


def sorted_rows(features):
    return features[np.lexsort(features.numpy().round(4).T)]


def options_of(processes):
    """Arguments of a training whose batches are shared."""
    return ["--work-dir", "parts", "--cfg-options", f"train_dataloader.batch_size={6 // processes}"]


def resume(rank, processes):
    """What a launcher starts."""
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(processes))
    torch.set_num_threads(1)  # a forked process must not touch the parent's thread pool
    train.main(["toy.py", "--launcher", "pytorch", "--resume", *options_of(processes)])


def test_killed_and_resumed_by_another_number_of_processes(tmp_path, monkeypatch, commands_in_process):
    """Two, one of them killed, then three: weights, memories, momentum and schedule as of one process.

    The three are forked, which saves their imports.
    """
    (tmp_path / "parts.py").write_text(PARTS)
    (tmp_path / "toy.py").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    train.main(["toy.py", "--work-dir", "alone"])

    start = time.monotonic()
    killed = launch("dist_train.sh", "toy.py", 2, *options_of(2), cwd=tmp_path, KILL_AT="3")
    assert time.monotonic() - start < 100
    assert killed.returncode != 0
    assert "exitcode  : -9" in killed.stderr or "Signal 9 (SIGKILL)" in killed.stderr
    assert not (tmp_path / "parts/iter_4.pth").exists()

    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", free_port())
    start_processes(resume, args=(3,), nprocs=3, start_method="fork")
    log = "".join(path.read_text() for path in (tmp_path / "parts").glob("*/*.log"))
    assert "resumed epoch: 0, iter: 3" in log or "resumed epoch: 0, iter: 2" in log
    one, three = (torch.load(tmp_path / f"{name}/iter_7.pth", weights_only=False) for name in ("alone", "parts"))
    for key, value in one["state_dict"].items():
        other = three["state_dict"][key]
        if key == "loss_id.queue.features":  # ranks enter one behind the other
            value, other = sorted_rows(value), sorted_rows(other)
        torch.testing.assert_close(other, value, atol=1e-5, rtol=0, msg=lambda text, key=key: f"{key}: {text}")
    assert one["state_dict"]["loss_id.lut.features"].abs().sum(1).count_nonzero() == 9
    for part in ("param_groups", "state"):
        torch.testing.assert_close(three["optimizer"][part], one["optimizer"][part], atol=1e-5, rtol=0)
    assert three["meta"]["iter"] == one["meta"]["iter"] == 7
    assert one["optimizer"]["param_groups"][0]["lr"] == pytest.approx(0.01)


def test_tested_by_two_processes_as_by_one(tmp_path, monkeypatch, commands_in_process):
    """Five images: figures, predictions and pictures are the same, and each image is there once."""
    monkeypatch.setitem(dataset_writers.PRW_TEST, "c2s2_000014", [(12, 50, 20, 26, 66)])
    scenes = dataset_writers.write_prw(tmp_path / "prw")
    config = write_config(tmp_path / "toy.py", scenes)
    write_checkpoint(config, tmp_path / "toy.pth")
    checkpoint = tmp_path / "toy.pth"
    places = {"--work-dir": "", "--out": "p.pkl", "--show-dir": "show"}
    one, two = ([f"{key}={tmp_path / name / place}" for key, place in places.items()] for name in ("1", "2"))
    test.main([str(config), str(checkpoint), *one])
    done = launch("dist_test.sh", config, checkpoint, 2, *two, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("Result: ") == 1
    assert (tmp_path / "2/result.json").read_text() == (tmp_path / "1/result.json").read_text()
    assert json.loads((tmp_path / "1/result.json").read_text())["person_search/mAP"] > 0
    one, two = (pickle.loads((tmp_path / f"{n}/p.pkl").read_bytes()) for n in (1, 2))
    assert_equal_predictions(one, two)
    pictures = sorted(path.name for path in (tmp_path / "1/show").iterdir())
    assert len(pictures) == 5 + 2
    assert sorted(path.name for path in (tmp_path / "2/show").iterdir()) == pictures
    for name in pictures:
        assert (tmp_path / "2/show" / name).read_bytes() == (tmp_path / "1/show" / name).read_bytes(), name
    assert len(list((tmp_path / "2").rglob("*.log"))) == 1


def write_checkpoint(config, path):
    """Writes an untrained model's weights."""
    init_default_scope("mmpersonsearch")
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(Config.fromfile(config).model).state_dict()), path)


def test_threads_of_the_processes(tmp_path):
    """Each of two has half the cores."""
    (tmp_path / "show.py").write_text("import torch; print('threads', torch.get_num_threads())")
    source = f". {ROOT}/tools/launchers.sh; torch_launch 2 show.py"
    env = {key: value for key, value in environment().items() if key != "OMP_NUM_THREADS"}
    done = subprocess.run(["bash", "-c", source], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    threads = max(1, len(os.sched_getaffinity(0)) // 2)
    assert done.stdout.splitlines() == [f"threads {threads}"] * 2, done.stderr
