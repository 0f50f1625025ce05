"""Measurement of time and memory, tables of it, and the file of its results, for the benchmarks."""

from __future__ import annotations

import statistics
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

import torch

from mmpersonsearch.cli.command_line import exit_on_bad_input, print_table
from mmpersonsearch.utils.files import check_out


def measure(function: Callable[[], object], rounds: int) -> tuple[object, float, float]:
    """Call a function; return its result, the least seconds, and the peak memory in GiB above that before."""
    seconds, before = [], memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    for _ in range(rounds):
        started = time.perf_counter()
        result = function()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return result, min(seconds), memory("VmHWM") - before


def memory(name: str) -> float:
    """Read a memory value of this process in GiB, by the kernel's name."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 2**20


def median_ms(function: Callable[[], object], rounds: int, device: torch.device | None = None) -> float:
    """Measure the median time of a call in milliseconds."""
    times = []
    for _ in range(rounds + 3):
        started = time.perf_counter()
        function()
        if device is not None and device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times[3:])  # the first calls warm up


def print_measurements(title: str, columns: dict[str, str], rows: list[dict]) -> None:
    """Print a table of rows, their ``case`` first; ``columns`` are their keys and headings."""
    cells = [(row["case"], *(row.get(key) for key in columns)) for row in rows]
    print_table(title, ("", *columns.values()), cells)


def parse_args(parser: ArgumentParser, argv: list[str] | None) -> Namespace:
    """Add ``--json``, read the arguments, and check before the work that its file can be written."""
    parser.add_argument("--json", metavar="FILE.json", help="write the measurements to this file too")
    args = parser.parse_args(argv)
    with exit_on_bad_input(parser.prog):
        check_out(args.json, suffixes=(".json",), option="--json")
    return args
