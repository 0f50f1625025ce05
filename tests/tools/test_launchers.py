"""The launchers for several GPUs and for Slurm: what they ask for."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PASSED_ON = [  # script, arguments, what follows the launcher's own
    ("dist_train.sh", "c.py 2 --amp", "--nproc_per_node=2 TOOLS/train.py c.py --launcher pytorch --amp"),
    (
        "dist_test.sh",
        "c.py a.pth 2 --out p.pkl",
        "--nproc_per_node=2 TOOLS/test.py c.py a.pth --launcher pytorch --out p.pkl",
    ),
    (
        "dist_index.sh",
        "2 a --out a.gallery",
        "--nproc_per_node=2 TOOLS/index_pictures.py a --out a.gallery --launcher pytorch",
    ),
    ("slurm_index.sh", "part job a --out g", "PYTHON -u TOOLS/index_pictures.py a --out g --launcher slurm"),
    (
        "slurm_train.sh",
        "part job c.py dir --resume",
        "PYTHON -u TOOLS/train.py c.py --work-dir=dir --launcher slurm --resume",
    ),
    (
        "slurm_test.sh",
        "part job c.py a.pth --out p.pkl",
        "PYTHON -u TOOLS/test.py c.py a.pth --launcher slurm --out p.pkl",
    ),
]


@pytest.fixture
def launch(tmp_path):
    """Runs a script with stand-ins for Python and ``srun`` that print what they are given."""
    for name in ("python", "srun"):
        (tmp_path / name).write_text('#!/bin/sh\n[ "$1" = -c ] || echo "OMP_NUM_THREADS=$OMP_NUM_THREADS" "$@"\n')
        (tmp_path / name).chmod(0o755)
    outside = {name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", "GPUS", "TASKS")}
    env = {**outside, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHON": str(tmp_path / "python")}

    def run(script, given, **variables):
        command = [str(ROOT / "tools" / script), *given.split()]
        return subprocess.run(command, env={**env, **variables}, capture_output=True, text=True)

    return run


@pytest.mark.parametrize("script", [script for script, _, _ in PASSED_ON])
def test_shell_scripts_ask_for_their_arguments(launch, script):
    done = launch(script, "one")
    assert done.returncode == 2
    assert "usage:" in done.stderr


@pytest.mark.parametrize(("script", "given", "expected"), PASSED_ON)
def test_shell_scripts_pass_their_arguments_on(launch, tmp_path, script, given, expected):
    done = launch(script, given)
    expected = expected.replace("TOOLS", str(ROOT / "tools")).replace("PYTHON", str(tmp_path / "python"))
    assert done.stdout.strip().endswith(expected), done.stderr


def test_several_machines(launch):
    done = launch("dist_train.sh", "c.py 4", NNODES="3", NODE_RANK="1", MASTER_ADDR="host", PORT="1234")
    assert "--nnodes=3 --node_rank=1 --master_addr=host --master_port=1234 --nproc_per_node=4 " in done.stdout


@pytest.mark.parametrize(("given", "threads"), [({}, None), ({"OMP_NUM_THREADS": "7"}, "7")])
def test_threads_are_shared_out_unless_they_are_set(launch, given, threads):
    expected = threads or str(max(1, len(os.sched_getaffinity(0)) // 2))
    assert launch("dist_train.sh", "c.py 2", **given).stdout.startswith(f"OMP_NUM_THREADS={expected} ")


@pytest.mark.parametrize("processes", ["0", "--amp", "two"])
def test_a_number_of_processes_is_needed(launch, processes):
    done = launch("dist_train.sh", f"c.py {processes}")
    assert done.returncode == 2
    assert f"must be >= 1, got '{processes}'" in done.stderr


def test_a_taken_port_is_named_in_one_line(tmp_path):
    with socket.create_server(("", 0)) as taken:
        port = str(taken.getsockname()[1])
        env = {**os.environ, "PORT": port, "PYTHON": "python3"}
        command = [str(ROOT / "tools/dist_train.sh"), "c.py", "2"]
        done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"port {port} cannot be used" in done.stderr
    assert done.stderr.rstrip().endswith("set PORT to a free one")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "--gres=gpu:8 --ntasks=8 --ntasks-per-node=8 --cpus-per-task=5 --kill-on-bad-exit=1 "),
        (
            {"GPUS": "4", "GPUS_PER_NODE": "2", "CPUS_PER_TASK": "3", "SRUN_ARGS": "--time=5 --quiet"},
            "--gres=gpu:2 --ntasks=4 --ntasks-per-node=2 --cpus-per-task=3 --kill-on-bad-exit=1 --time=5 --quiet ",
        ),
        ({"GPUS_PER_NODE": "0", "TASKS": "4"}, "--job-name=job --ntasks=4 --cpus-per-task=5 "),
        ({"GPUS": "0", "TASKS": "4"}, "--job-name=job --ntasks=4 --cpus-per-task=5 "),
        (
            {"GPUS_PER_NODE": "0", "TASKS": "4", "TASKS_PER_NODE": "2"},
            "--job-name=job --ntasks=4 --ntasks-per-node=2 --cpus-per-task=5 ",
        ),
    ],
)
def test_what_slurm_is_asked_for(launch, variables, expected):
    assert expected in launch("slurm_train.sh", "part job c.py dir", **variables).stdout


def test_slurm_without_gpus_needs_the_number_of_processes(launch):
    done = launch("slurm_train.sh", "part job c.py dir", GPUS_PER_NODE="0")
    assert done.returncode == 2
    assert "GPUS_PER_NODE=0), set TASKS" in done.stderr
