"""What is done before the runner is built, in this process; real launches are in tests/tools."""

import os
import socket

import pytest
import torch
from mmengine.config import Config
from torch import distributed as dist

from mmpersonsearch.engine.launch import VARIABLES, first_host, join_processes

LAUNCH = {"pytorch": ("0", "1", "0"), "slurm": ("0", "1", "0"), "mpi": ("0", "1", "0")}


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    """No launcher's variables before, none and no process group afterwards, and no accelerator."""
    monkeypatch.setattr("mmpersonsearch.engine.launch.get_device", lambda: "cpu")
    for name in [*sum(VARIABLES.values(), ()), "MASTER_ADDR", "MASTER_PORT", "MKL_NUM_THREADS", "SLURM_CPUS_PER_TASK"]:
        monkeypatch.setenv(name, "")  # so that monkeypatch puts back what join_processes sets
        monkeypatch.delenv(name)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    if dist.is_initialized():
        dist.destroy_process_group()


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("", 0))
        return str(free.getsockname()[1])


@pytest.fixture
def start(monkeypatch, port):
    """Sets what a launcher would, for the only process of one."""

    def set_variables(launcher):
        for name, value in zip(VARIABLES[launcher], LAUNCH[launcher]):
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("MASTER_PORT", port)
        if launcher != "slurm":
            monkeypatch.setenv("MASTER_ADDR", "localhost")
        else:
            monkeypatch.setenv("SLURM_NODELIST", "localhost")

    return set_variables


def config(launcher, **options):
    return Config(dict(launcher=launcher, env_cfg=dict(dist_cfg=dict(timeout=60)), **options))


def test_one_process_needs_nothing():
    cfg = config("none")
    join_processes(cfg)
    assert not dist.is_initialized()
    assert "model_wrapper_cfg" not in cfg


@pytest.mark.parametrize("launcher", list(LAUNCH))
def test_without_an_accelerator_gloo_joins_and_the_wrapper_has_no_device(launcher, start):
    start(launcher)
    cfg = config(launcher, find_unused_parameters=True)
    join_processes(cfg)
    assert dist.get_backend() == "gloo"
    assert [os.environ[name] for name in VARIABLES["pytorch"]] == ["0", "1", "0"]
    assert os.environ["MASTER_ADDR"] == "localhost"
    assert cfg.model_wrapper_cfg == dict(
        type="MMDistributedDataParallel", device_ids=None, broadcast_buffers=False, find_unused_parameters=True
    )


def test_the_configs_own_wrapper_is_kept(start):
    start("pytorch")
    cfg = config("pytorch", model_wrapper_cfg=dict(type="MMSeparateDistributedDataParallel", broadcast_buffers=True))
    join_processes(cfg)
    assert cfg.model_wrapper_cfg == dict(
        type="MMSeparateDistributedDataParallel", broadcast_buffers=True, device_ids=None
    )


def test_with_an_accelerator_mmengine_makes_the_group(start, monkeypatch):
    monkeypatch.setattr("mmpersonsearch.engine.launch.get_device", lambda: "cuda")
    start("slurm")
    cfg = config("slurm", sync_bn="torch")
    join_processes(cfg)
    assert not dist.is_initialized()
    assert "model_wrapper_cfg" not in cfg
    assert os.environ["MASTER_ADDR"] == "localhost"


def test_the_groups_timeout_is_the_configs(start, monkeypatch):
    start("pytorch")
    given = {}
    monkeypatch.setattr(dist, "init_process_group", lambda backend, timeout: given.update(timeout=timeout))
    join_processes(config("pytorch"))
    assert given["timeout"].total_seconds() == 60


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(env_cfg=dict(dist_cfg=dict(backend="nccl"))), "env_cfg.dist_cfg.backend is 'nccl', which needs GPUs"),
        (dict(sync_bn="torch"), "sync_bn is 'torch': synchronized batch norm needs GPUs"),
    ],
)
def test_what_needs_gpus_is_refused_without(options, message, start):
    start("pytorch")
    with pytest.raises(ValueError, match=message):
        join_processes(Config(dict(launcher="pytorch", **options)))


@pytest.mark.parametrize(
    ("launcher", "message"),
    [
        ("pytorch", "has no RANK, start the processes by torchrun"),
        ("slurm", "has no SLURM_PROCID, start the processes by srun"),
        ("mpi", "has no OMPI_COMM_WORLD_RANK, start the processes by mpirun"),
    ],
)
def test_a_process_that_nobody_launched_is_told(launcher, message):
    with pytest.raises(ValueError, match=message):
        join_processes(config(launcher))


def test_mpi_needs_the_master(start, monkeypatch):
    start("mpi")
    monkeypatch.delenv("MASTER_ADDR")
    with pytest.raises(ValueError, match="no MASTER_ADDR"):
        join_processes(config("mpi"))


def test_a_taken_port_is_named(start):
    start("slurm")
    with socket.create_server(("", 0)) as taken:
        number = taken.getsockname()[1]
        cfg = config("slurm")
        cfg.env_cfg.dist_cfg.port = number
        with pytest.raises(ValueError, match=rf"port {number} of .* cannot be used \(.*\), set MASTER_PORT"):
            join_processes(cfg)


@pytest.mark.parametrize(
    ("launcher", "variable", "value", "threads"),
    [
        ("slurm", "SLURM_CPUS_PER_TASK", "3", 3),
        ("slurm", "SLURM_CPUS_PER_TASK", None, 1),
        ("pytorch", "LOCAL_WORLD_SIZE", "2", 2),
        ("pytorch", "LOCAL_WORLD_SIZE", "9", 1),
        ("mpi", "OMPI_COMM_WORLD_LOCAL_SIZE", "1", 5),
    ],
)
def test_threads_are_shared_out(launcher, variable, value, threads, start, monkeypatch):
    start(launcher)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(5)))
    monkeypatch.delenv("OMP_NUM_THREADS")
    if value is not None:
        monkeypatch.setenv(variable, value)
    join_processes(config(launcher))
    assert torch.get_num_threads() == int(os.environ["OMP_NUM_THREADS"]) == threads


def test_the_users_threads_are_kept(start, monkeypatch):
    start("slurm")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "3")
    join_processes(config("slurm"))
    assert os.environ["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize(
    ("nodes", "host"), [("one", "one"), ("one,two", "one"), ("one,two[3-4]", "one"), ("gpu[03-05,8],x", "gpu03")]
)
def test_first_host(nodes, host, tmp_path, monkeypatch):
    stand_in = tmp_path / "scontrol"
    stand_in.write_text("#!/bin/sh\n[ \"$*\" = 'show hostnames gpu[03-05,8],x' ] && printf 'gpu03\\ngpu04\\n'\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert first_host(nodes) == host


def test_first_host_of_a_range_without_scontrol(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match=r"node list gpu\[1-2\] .*set MASTER_ADDR"):
        first_host("gpu[1-2]")
