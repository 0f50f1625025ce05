"""Trainings that are killed at random moments, writing of checkpoints included, and resumed until they end.

KILLS=20 pytest -m drill tests/faults/test_killed_trainings.py
"""

import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch
from tiny_trainings import NAMES, die_at_write, die_within_write, fork, make_config, train, wait

from mmpersonsearch.utils.checkpoint import load_checkpoint_file

KILLS = int(os.environ.get("KILLS", "20"))


def train_and_die(cfg, kind, number, size):
    if kind == "step":
        die_at_write(number, cfg.work_dir)
    elif kind == "cut":
        die_within_write(number, cfg.work_dir, size)
    train(cfg)


def find_last(work_dir):
    """The number of the last checkpoint, which has to be whole; 0 without any."""
    path = Path(work_dir, "last_checkpoint")
    if not path.exists():
        return 0
    checkpoint = load_checkpoint_file(path.read_text())
    assert checkpoint["meta"]["iter"] == int(Path(path.read_text()).stem.rpartition("_")[2])
    return checkpoint["meta"]["iter"]


def drill(name, data, tmp_path, kills, seed=0):
    """Kill a training some times, resume it each time, and compare it with one that was left alone."""
    iterations = 3 * kills // 4 + 2  # a kill comes after less than one checkpoint, on average
    whole, killed = (make_config(name, data, tmp_path / part, iterations) for part in ("whole", "killed"))
    whole.default_hooks.checkpoint.interval = iterations
    start = time.monotonic()
    assert wait(fork(train, whole, log=tmp_path / "whole.log"), 60 + 20 * iterations) == 0, log_of(tmp_path, "whole")
    duration = time.monotonic() - start
    rng = random.Random(seed)
    size = (tmp_path / f"whole/iter_{iterations}.pth").stat().st_size
    last, done = 0, []
    for i in range(kills):
        kind = ("cut", "step", "time")[i % 3]
        number, share = rng.randint(1, 8 if kind == "step" else 2), rng.random()
        pid = fork(train_and_die, killed, kind, number, int(share * size), log=tmp_path / "killed.log")
        if kind == "time":
            time.sleep(share * duration * 2 / iterations)
            os.kill(pid, signal.SIGKILL)
        status = wait(pid, 60 + 20 * iterations)
        assert status in (-signal.SIGKILL, -signal.SIGXFSZ, 0), log_of(tmp_path, "killed")
        before, last = last, find_last(tmp_path / "killed")
        assert last >= before
        done.append((kind, number, round(share, 2), status, last))
    assert wait(fork(train, killed, log=tmp_path / "killed.log"), 60 + 20 * iterations) == 0, log_of(tmp_path, "killed")
    print(f"{name}: kind, number, share, status, last checkpoint: {done}")
    assert sorted(path.name for path in (tmp_path / "killed").glob("*.pth")) == [
        f"iter_{number}.pth" for number in sorted(map(str, (iterations - 1, iterations)))
    ]
    assert list((tmp_path / "killed").glob(".*")) == []  # no part of a checkpoint
    compare(*(load_checkpoint_file(tmp_path / f"{part}/iter_{iterations}.pth") for part in ("whole", "killed")))
    states = [torch.load(tmp_path / f"{part}/random.pt", weights_only=False) for part in ("whole", "killed")]
    compare(*states)
    return done


def log_of(tmp_path, part):
    return (tmp_path / f"{part}.log").read_text()[-2000:]


def compare(one, other, place=""):
    """Everything that a training goes on from is equal bit by bit; times and names of runs are not."""
    assert type(one) is type(other), place
    if isinstance(one, dict):
        skipped = ("time", "data_time", "cfg", "experiment_name", "last_ckpt", "keep_ckpt_ids", "memory")
        keys = [key for key in one if str(key).rpartition("/")[2] not in skipped]
        assert keys == [key for key in other if str(key).rpartition("/")[2] not in skipped], place
        for key in keys:
            compare(one[key], other[key], f"{place}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), place
        for i, (a, b) in enumerate(zip(one, other)):
            compare(a, b, f"{place}.{i}")
    elif isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype and torch.equal(one, other), place
    elif hasattr(one, "data") and hasattr(one, "statistics"):  # MMEngine's HistoryBuffer
        compare([list(part) for part in one.data], [list(part) for part in other.data], place)
    else:
        assert one == other, place


def test_killed_twice(tiny_data, tmp_path):
    """Within the writing of a checkpoint, then between two steps of it."""
    drill("oim", tiny_data, tmp_path, kills=2)


@pytest.mark.drill
@pytest.mark.parametrize("name", NAMES)
def test_killed_often(name, tiny_data, tmp_path):
    done = drill(name, tiny_data, tmp_path, KILLS)
    assert sum(status != 0 for *_, status, _ in done) >= 0.9 * KILLS
