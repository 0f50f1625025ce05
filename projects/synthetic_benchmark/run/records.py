"""The records of finished runs, and what was measured of the models' size and speed."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

from mmpersonsearch.utils.files import write_whole

from .methods import BUDGETS, METHODS
from .stages import PROJECT, ROOT

RUNS = PROJECT / "results/runs.jsonl"
SIZES = PROJECT / "results/sizes.json"


def read_records() -> list[dict]:
    """Read the finished runs."""
    return [json.loads(line) for line in RUNS.read_text().splitlines()] if RUNS.exists() else []


def add_record(finished: dict) -> list[dict]:
    """Write a finished run in place of an older one of the same method and seed.

    Returns:
        All records.
    """
    records = [record for record in read_records() if run_of(record) != run_of(finished)] + [finished]
    write_whole(RUNS, "".join(json.dumps(record) + "\n" for record in records).encode())
    return records


def run_of(record: dict) -> tuple[str, int]:
    """Return the method's name and the seed."""
    return record["method"], record["seed"]


def has_todays_budget(record: dict) -> bool:
    """Whether a run had the budget that its comparison has now."""
    return record["budget"] == BUDGETS[record["method"]]


def read_curve(folder: Path) -> list[list[float]]:
    """Read (iteration, mAP) of the validations during training; empty where nothing was trained."""
    logs = sorted(folder.glob("*/vis_data/scalars.json"))
    lines = [json.loads(line) for log in logs for line in log.read_text().splitlines()]
    points = {line["step"]: line["person_search/mAP"] for line in lines if "person_search/mAP" in line}
    return [[step, round(value, 4)] for step, value in sorted(points.items())]


def describe_machine() -> str:
    """Return architecture and processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return f"{platform.machine()}, {line.partition(':')[2].strip()}"
    return f"{platform.machine()}, unknown processor"


def measure_sizes(names: list[str]) -> None:
    """Measure images per second, parameters and floating-point operations of methods; those of the others stay."""
    sizes = read_sizes()
    for name in names:
        config = METHODS[name].config
        command = [sys.executable, "tools/analysis_tools/benchmark.py", config, "--json", "--num-persons", "4"]
        command += ["--shape", "192", "336", "--rounds", "20"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        measured = json.loads(done.stdout.splitlines()[-1])["results"][0]
        sizes[name] = {key: measured[key] for key in ("images_per_second", "million_parameters", "gflops")}
        print(name, sizes[name], flush=True)
        write_whole(SIZES, (json.dumps(sizes, indent=2) + "\n").encode())


def read_sizes() -> dict[str, dict[str, float]]:
    """Read what was measured last, by method."""
    return json.loads(SIZES.read_text()) if SIZES.exists() else {}
