"""The checks that a lent GPU gets, on a CPU; and that the script calls them rightly."""

import os
import shlex
import subprocess
from pathlib import Path

import benchmark
import gpu_check
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
CONFIG, SHAPE = "tdn_r18ibn_synth_wo-teacher", (96, 128)


def lines(*args):
    """What the script would call."""
    env = dict(os.environ, PYTHON="echo")
    done = subprocess.run([ROOT / "tools/analysis_tools/gpu_check.sh", *args], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [shlex.split(line) for line in done.stdout.splitlines() if line and not line.startswith("==")]


def test_the_script_calls_what_there_is():
    for size, number in (("full", 6), ("small", 2)):
        calls = lines("cpu", size)
        assert len(calls) == number and all(call[-2:] == ["--device", "cpu"] for call in calls)
        for script, *args in calls:
            assert Path(script).is_file()
            if script.endswith("/benchmark.py"):
                assert benchmark.parse_args(args).config == "tdn_r50ibn_prw_wo-teacher"
    refused = subprocess.run(
        [ROOT / "tools/analysis_tools/gpu_check.sh", "cpu", "tiny"], capture_output=True, text=True
    )
    assert refused.returncode == 2 and "expected full or small, got 'tiny'" in refused.stderr


def test_all_checks_on_a_cpu(capsys):
    with pytest.raises(SystemExit) as end:
        gpu_check.main(["--device", "cpu", "--config", CONFIG, "--shape", *map(str, SHAPE)])
    out = capsys.readouterr().out.splitlines()
    assert end.value.code == 0, out
    assert [line.partition(":")[0] for line in out] == [
        *("memories of OIM", "memories of OLP and C2HEP", "training step", "mixed precision"),
        "two processes on one device",
    ]


def test_what_differs_is_said(monkeypatch, capsys):
    for name, found in (("memories", 0.0), ("step", float("nan")), ("amp", 0.06), ("two_processes", 0.0)):
        monkeypatch.setattr(gpu_check, f"check_{name}", lambda *args, found=found: found)
    with pytest.raises(SystemExit) as end:
        gpu_check.main(["--device", "cpu"])
    said = ["DIFFERS" in line for line in capsys.readouterr().out.splitlines()]
    assert end.value.code == 1 and said == [False, False, True, True, False]
    assert gpu_check.gap(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0])) == 0.5
