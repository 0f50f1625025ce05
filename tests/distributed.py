"""Runs a function in two gloo processes."""

import socket

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def _entry(rank, function, port, args):
    torch.set_num_threads(1)  # a forked process must not touch the parent's thread pool
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    try:
        function(rank, *args)
    finally:
        dist.destroy_process_group()


def run_in_two_processes(function, *args):
    """Call ``function(rank, *args)`` in each of two processes; it must be a module-level function."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.start_processes(_entry, (function, port, args), nprocs=2, start_method="fork")
