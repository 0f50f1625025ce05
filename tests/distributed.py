"""Runs a function in several gloo processes."""

import socket
from datetime import timedelta

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def _entry(rank, world_size, function, port, args):
    torch.set_num_threads(1)  # a forked process must not touch the parent's thread pool
    dist.init_process_group(
        "gloo",
        init_method=f"tcp://127.0.0.1:{port}",
        rank=rank,
        world_size=world_size,
        timeout=timedelta(seconds=60),  # processes that wait for each other for ever fail
    )
    try:
        function(rank, *args)
    finally:
        dist.destroy_process_group()


def run_in_processes(world_size, function, *args):
    """Call ``function(rank, *args)`` in each of ``world_size`` processes; it must be a module-level function."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.start_processes(_entry, (world_size, function, port, args), nprocs=world_size, start_method="fork")


def run_in_two_processes(function, *args):
    """:func:`run_in_processes` with two of them."""
    run_in_processes(2, function, *args)
