"""The launchers for several GPUs and for Slurm."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("script", ["dist_train.sh", "dist_test.sh", "slurm_train.sh", "slurm_test.sh"])
def test_shell_scripts_ask_for_their_arguments(script):
    done = subprocess.run([str(ROOT / "tools" / script), "one"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "usage:" in done.stderr


@pytest.mark.parametrize(
    ("script", "program", "given", "expected"),
    [
        (
            "dist_train.sh",
            "torchrun",
            "c.py 2 --amp",
            "--nproc_per_node=2 TOOLS/train.py c.py --launcher pytorch --amp",
        ),
        (
            "dist_test.sh",
            "torchrun",
            "c.py a.pth 2 --out p.pkl",
            "--nproc_per_node=2 TOOLS/test.py c.py a.pth --launcher pytorch --out p.pkl",
        ),
        (
            "slurm_train.sh",
            "srun",
            "part job c.py dir --resume",
            "python -u TOOLS/train.py c.py --work-dir=dir --launcher slurm --resume",
        ),
        (
            "slurm_test.sh",
            "srun",
            "part job c.py a.pth --out p.pkl",
            "python -u TOOLS/test.py c.py a.pth --launcher slurm --out p.pkl",
        ),
    ],
)
def test_shell_scripts_pass_their_arguments_on(tmp_path, script, program, given, expected):
    stand_in = tmp_path / program
    stand_in.write_text('#!/bin/sh\necho "$@"\n')
    stand_in.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([str(ROOT / "tools" / script), *given.split()], env=env, capture_output=True, text=True)
    assert done.stdout.strip().endswith(expected.replace("TOOLS", str(ROOT / "tools"))), done.stderr
