"""Time and memory of a call."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch


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
    """A figure of the process's memory in GiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 2**20
