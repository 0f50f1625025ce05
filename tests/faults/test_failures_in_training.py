"""What fails while a training runs: how it ends, what it says, and that the last checkpoint stays."""

import contextlib
import errno
import multiprocessing
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import torch
from dataset_writers import write_prw
from tiny_trainings import AtIteration, fork, make_toy_config, train, wait

from mmpersonsearch.engine.launch import join_processes
from mmpersonsearch.utils.checkpoint import load_checkpoint_file

FILES = [f"iter_{i}.pth" for i in (1, 2)]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_prw(tmp_path_factory.mktemp("prw"))


def fail(data, work_dir, iteration, function, **loader):
    """Exit status and output of a training in which something happens before an iteration."""
    cfg, log = make_toy_config(data, work_dir, **loader), work_dir.with_suffix(".log")
    status = wait(fork(train, cfg, AtIteration(iteration, function), log=log))
    return status, log.read_text()


def assert_kept(work_dir, iteration=2):
    """The last checkpoint is whole and finite, and nothing is left of the next one."""
    assert sorted(path.name for path in work_dir.glob("*.pth")) == FILES[:iteration]
    assert Path((work_dir / "last_checkpoint").read_text()) == work_dir / FILES[iteration - 1]
    weights = load_checkpoint_file(work_dir / FILES[iteration - 1])["state_dict"]
    assert all(value.isfinite().all() for value in weights.values())
    assert not list(work_dir.glob(".*"))


def limit_files(runner):
    """As a full disk: files end at 100,000 bytes. Python ignores the signal, and gets an error."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def make_read_only(runner):
    def replace(*paths):
        raise OSError(errno.EROFS, "Read-only file system")

    os.replace = replace


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (limit_files, r"iter_3.pth cannot be written: File too large, "),
        (make_read_only, r"iter_3.pth cannot be written: Read-only file system;"),
    ],
)
def test_a_disk_that_cannot_be_written(function, message, scenes, tmp_path):
    status, log = fail(scenes, tmp_path / "run", 3, function)
    assert status == 2 and "Traceback" not in log.replace("--- Logging error ---\nTraceback", ""), log
    assert f"{tmp_path}/run/{message}" in log
    assert f"--resume continues from {tmp_path}/run/iter_2.pth" in log
    assert_kept(tmp_path / "run")
    assert wait(fork(train, make_toy_config(scenes, tmp_path / "run"), log=tmp_path / "log")) == 0


@pytest.mark.parametrize("workers", [0, 1])
def test_data_that_vanish(workers, scenes, tmp_path):
    data = shutil.copytree(scenes, tmp_path / "data")
    status, log = fail(
        data, tmp_path / "run", 3, lambda runner: (data / "frames").rename(data / "away"), num_workers=workers
    )
    assert status == 2 and "Traceback" not in log, log
    assert f"train: [Errno 2] No such file or directory: '{data}/frames/c" in log
    last = Path((tmp_path / "run/last_checkpoint").read_text())  # a worker reads ahead
    assert load_checkpoint_file(last)["meta"]["iter"] >= 2


def test_a_picture_that_breaks_between_two_epochs(scenes, tmp_path):
    data = shutil.copytree(scenes, tmp_path / "data")
    path = data / "frames/c2s1_000002.jpg"
    status, log = fail(data, tmp_path / "run", 3, lambda runner: path.write_bytes(path.read_bytes()[:700]))
    assert status == 2 and "Traceback" not in log, log
    assert f"{path} cannot be decoded as an image" in log


def test_a_loss_that_is_not_finite(scenes, tmp_path):
    def break_loss(runner):
        runner.model.factor = float("nan")

    status, log = fail(scenes, tmp_path / "run", 3, break_loss)
    assert status == 2 and "Traceback" not in log, log
    line = next(line for line in log.splitlines() if line.startswith("train: "))
    assert "iteration 3: losses are not finite: loss nan, loss_one nan; images of the batch: " in line
    assert line.count(f"{scenes}/frames/c") == 2
    assert f"--resume continues from {tmp_path}/run/iter_2.pth. A lower optim_wrapper.optimizer.lr" in line
    assert "loss_two" not in line
    assert_kept(tmp_path / "run")


def test_weights_that_are_not_finite_are_not_saved(scenes, tmp_path):
    """The loss was finite yet: an infinite learning rate."""

    def break_step(runner):
        runner.optim_wrapper.param_groups[0]["lr"] = float("inf")

    status, log = fail(scenes, tmp_path / "run", 3, break_step)
    assert status == 2 and "Traceback" not in log, log
    assert "iter_3.pth is not saved: weights are not finite, linear.weight, linear.bias" in log
    assert_kept(tmp_path / "run")


def kill_worker(runner):
    os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)


def test_a_data_worker_that_is_killed(scenes, tmp_path):
    status, log = fail(scenes, tmp_path / "run", 3, kill_worker, num_workers=1, prefetch_factor=1)
    assert status == 2 and "Traceback" not in log, log
    assert "a process that loads data has ended: DataLoader worker (pid" in log
    assert f"--resume continues from {tmp_path}/run/iter_" in log


def train_as_rank(rank, port, cfg, *hooks):
    os.environ.update(RANK=str(rank), LOCAL_RANK="0", WORLD_SIZE="3", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    cfg.launcher = "pytorch"
    join_processes(cfg)
    train(cfg, *hooks)


def test_a_rank_that_is_killed(scenes, tmp_path):
    """The other two end by themselves: nobody ends them here, as torchrun would."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kill = AtIteration(3, lambda runner: os.kill(os.getpid(), signal.SIGKILL))
    logs = [tmp_path / f"{rank}.log" for rank in range(3)]
    pids = [
        fork(train_as_rank, rank, port, make_toy_config(scenes, tmp_path / "run"), *[kill][rank:], log=log)
        for rank, log in ((1, logs[1]), (2, logs[2]), (0, logs[0]))
    ][::-1]
    assert wait(pids[0]) == -signal.SIGKILL
    start = time.monotonic()
    for pid, log in zip(pids[1:], logs[:0:-1]):
        assert wait(pid) == 2, log.read_text()
        assert "another process of this training has ended, whose message tells why" in log.read_text()
    assert time.monotonic() - start < 60
    assert load_checkpoint_file((tmp_path / "run/last_checkpoint").read_text())["meta"]["iter"] == 2


@contextlib.contextmanager
def mounted(folder, options):
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no file system can be mounted: {done.stderr}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.drill
def test_a_real_disk_that_is_full_or_becomes_read_only(scenes, tmp_path):
    def fill(runner):
        with contextlib.suppress(OSError), Path(runner.work_dir, "../filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 12))

    def remount(runner):
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)

    with mounted(tmp_path / "disk", "size=1m") as disk:
        status, log = fail(scenes, disk / "full", 3, fill)
        assert status == 2 and "cannot be written: No space left on device, 0.0 MiB are free" in log, log
        assert_kept(disk / "full")
        (disk / "filler").unlink()
        assert wait(fork(train, make_toy_config(scenes, disk / "full"), log=tmp_path / "log")) == 0
        status, log = fail(scenes, disk / "closed", 3, remount)
        assert status == 2 and "cannot be written: Read-only file system" in log, log
        assert torch.load(disk / "closed/iter_2.pth", weights_only=False)["meta"]["iter"] == 2
