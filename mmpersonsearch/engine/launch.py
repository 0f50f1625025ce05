"""Process group and model wrapper of several processes, with and without GPUs."""

import os
import socket
import subprocess
from datetime import timedelta

import torch
from mmengine.config import Config
from mmengine.device import get_device
from torch import distributed as dist

from mmpersonsearch.utils.errors import InputError

# Rank, number of processes and rank on this machine.
VARIABLES = {
    "pytorch": ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    "slurm": ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"),
    "mpi": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),
}
STARTED_BY = {"pytorch": "torchrun", "slurm": "srun", "mpi": "mpirun"}


def join_processes(config: Config) -> None:
    """Prepare this process to be one of several; call it before the runner is built.

    With an accelerator, MMEngine makes the process group and wraps the model. Without one this function makes the
    group, by ``gloo``, and sets ``model_wrapper_cfg`` in place. ``env_cfg.dist_cfg`` holds ``backend``, ``timeout`` in
    seconds and, for Slurm, ``port``.

    Args:
        config: Its ``launcher`` started the processes; with ``none``, nothing is done.

    Raises:
        InputError: The launcher's variables are missing; the port is taken; the config asks for what needs GPUs.
    """
    launcher = config.launcher
    if launcher == "none":
        return
    dist_cfg = dict(config.get("env_cfg", {}).get("dist_cfg", {}))
    _set_variables(launcher, dist_cfg)
    _share_threads(launcher)
    if get_device() == "cpu":
        _check_needs_no_gpu(config, dist_cfg)
        _use_wrapper_without_device(config)
        dist.init_process_group(
            dist_cfg.get("backend", "gloo"), timeout=timedelta(seconds=dist_cfg.get("timeout", 1800))
        )


def first_host(nodes: str) -> str:
    """Name the first host of Slurm's node list, such as ``node[3-5,8]``.

    Raises:
        InputError: The list has a range, and there is no ``scontrol`` that resolves it.
    """
    host = nodes.split(",")[0]
    if "[" not in host:
        return host
    try:
        done = subprocess.run(["scontrol", "show", "hostnames", nodes], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError(
            f"--launcher slurm: scontrol does not resolve the node list {nodes} ({error}), "
            "set MASTER_ADDR to the first node's address"
        ) from error
    return done.stdout.split()[0]


def _set_variables(launcher: str, dist_cfg: dict) -> None:
    # PyTorch's "env://" reads these. MMEngine sets the same for Slurm and keeps an existing MASTER_ADDR.
    for name, source in zip(VARIABLES["pytorch"], VARIABLES[launcher]):
        if source not in os.environ:
            raise InputError(
                f"--launcher {launcher}: the environment has no {source}, start the processes by {STARTED_BY[launcher]}"
            )
        os.environ[name] = os.environ[source]
    if launcher == "pytorch":
        return
    if launcher == "slurm":
        if "port" in dist_cfg:
            os.environ["MASTER_PORT"] = str(dist_cfg["port"])
        if "MASTER_ADDR" not in os.environ:
            os.environ["MASTER_ADDR"] = first_host(
                os.environ.get("SLURM_STEP_NODELIST") or os.environ.get("SLURM_NODELIST", "localhost")
            )
    elif "MASTER_ADDR" not in os.environ:
        raise InputError("--launcher mpi: the environment has no MASTER_ADDR, set it to the address of rank 0's node")
    os.environ.setdefault("MASTER_PORT", "29500")
    if os.environ["RANK"] == "0":
        _check_port(int(os.environ["MASTER_PORT"]))


def _check_port(port: int) -> None:
    try:
        socket.create_server(("", port)).close()
    except OSError as error:
        raise InputError(
            f"port {port} of {socket.gethostname()} cannot be used ({error.strerror}), set MASTER_PORT to a free one"
        ) from error


def _share_threads(launcher: str) -> None:
    # By default each process would use all cores (MMEngine) or one (torchrun).
    if "OMP_NUM_THREADS" in os.environ:
        return
    cores = len(os.sched_getaffinity(0))
    if launcher == "slurm":
        threads = int(os.environ.get("SLURM_CPUS_PER_TASK", 1))  # the cores seen may be those of all tasks
    else:
        local = {"pytorch": "LOCAL_WORLD_SIZE", "mpi": "OMPI_COMM_WORLD_LOCAL_SIZE"}[launcher]
        threads = max(1, cores // int(os.environ.get(local, cores)))
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
    torch.set_num_threads(threads)


def _check_needs_no_gpu(config: Config, dist_cfg: dict) -> None:
    if dist_cfg.get("backend") == "nccl":
        raise InputError(
            "env_cfg.dist_cfg.backend is 'nccl', which needs GPUs, and PyTorch finds none: leave it out, or "
            "--cfg-options env_cfg.dist_cfg.backend=gloo"
        )
    if config.get("sync_bn"):
        raise InputError(
            f"sync_bn is {config.sync_bn!r}: synchronized batch norm needs GPUs, and PyTorch finds none: leave it out"
        )


def _use_wrapper_without_device(config: Config) -> None:
    # The runner sets LOCAL_RANK's GPU unless device_ids is given; the other values are its defaults.
    if config.get("model_wrapper_cfg") is None:
        config.model_wrapper_cfg = dict(
            type="MMDistributedDataParallel",
            broadcast_buffers=False,
            find_unused_parameters=config.get("find_unused_parameters", False),
        )
    config.model_wrapper_cfg.setdefault("device_ids", None)
