"""Time, memory and floating-point operations of a call."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from .command_line import print_table


def measure(function: Callable[[], object], rounds: int) -> tuple[object, float, float]:
    """Result, least seconds, and most GiB held above what was held before."""
    seconds, before = [], memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # starts the kernel's high-water mark anew
    for _ in range(rounds):
        started = time.perf_counter()
        result = function()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return result, min(seconds), memory("VmHWM") - before


def memory(name: str) -> float:
    """GiB that the kernel reports of this process under a name."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 2**20


def median_ms(function: Callable[[], object], rounds: int, device: torch.device | None = None) -> float:
    """Median time of a call in milliseconds."""
    times = []
    for _ in range(rounds + 3):
        started = time.perf_counter()
        function()
        if device is not None and device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times[3:])  # the first calls warm up


@torch.no_grad()
def count_gflops(function: Callable[..., object], *args: object) -> float:
    """GFLOPs (2 x multiply-adds of convolutions and matrix products, as papers count them) of a call."""
    with FlopCounterMode(display=False) as counter:
        function(*args)
    return counter.get_total_flops() / 1e9


def print_measurements(title: str, columns: dict[str, str], rows: list[dict]) -> None:
    """Print a line a row, its ``case`` first; ``columns`` are keys of the rows and their headings."""
    cells = [(row["case"], *(row.get(key) for key in columns)) for row in rows]
    print_table(title, ("", *columns.values()), cells)
