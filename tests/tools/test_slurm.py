"""Training and testing of real frames by a Slurm that runs."""

import json
import os
import pickle
import shutil

import pytest
from launches import assert_equal_predictions, launch, write_config


@pytest.fixture
def partition():
    name = os.environ.get("MMPERSONSEARCH_SLURM_PARTITION")
    if not name:
        pytest.skip("no Slurm: start one by .ci/slurm.sh and set SLURM_CONF and MMPERSONSEARCH_SLURM_PARTITION")
    if shutil.which("srun") is None:
        pytest.skip("no Slurm: there is no srun")
    return name


@pytest.fixture
def submit(partition, tmp_path):
    """Runs a launcher as a job of two tasks on a core each."""

    def run(script, *args, **variables):
        tasks = {"GPUS_PER_NODE": "0", "TASKS": "2", "CPUS_PER_TASK": "1", "SRUN_ARGS": "--immediate=30 --time=5"}
        return launch(script, partition, "person-search", *args, cwd=tmp_path, timeout=180, **tasks, **variables)

    return run


@pytest.mark.slurm
def test_trained_and_tested_by_two_tasks(submit, samples_root, tmp_path):
    config = write_config(
        tmp_path / "toy.py",
        samples_root / "prw_sample",
        train_cfg__max_iters=2,
        train_cfg__val_begin=3,
        default_hooks__checkpoint__interval=2,
    )
    trained = submit("slurm_train.sh", config, "train")
    assert trained.returncode == 0, trained.stderr[-3000:]
    log = "".join(path.read_text() for path in (tmp_path / "train").glob("*/*.log"))
    assert "Distributed launcher: slurm" in log
    assert "GPU number: 2" in log  # MMEngine's name for the number of processes

    tested = submit("slurm_test.sh", config, "train/iter_2.pth", "--work-dir", "two", "--out", "two.pkl")
    assert tested.returncode == 0, tested.stderr[-3000:]
    assert tested.stdout.count("Result: ") == 1
    where = ["--work-dir", "one", "--out", "one.pkl"]
    alone = launch("dist_test.sh", config, "train/iter_2.pth", 1, *where, cwd=tmp_path)
    assert alone.returncode == 0, alone.stderr[-3000:]
    one, two = (json.loads((tmp_path / name / "result.json").read_text()) for name in ("one", "two"))
    assert one == two
    assert one["protocol"]["num_images"] == 10
    one, two = (pickle.loads((tmp_path / f"{name}.pkl").read_bytes()) for name in ("one", "two"))
    assert len(one["images"]) == 10
    assert_equal_predictions(one, two)


@pytest.mark.slurm
def test_a_wrong_setting_ends_the_job_in_a_line(submit, samples_root, tmp_path):
    config = write_config(tmp_path / "toy.py", samples_root / "prw_sample", env_cfg__dist_cfg__backend="nccl")
    done = submit("slurm_train.sh", config, "train")
    assert done.returncode != 0
    assert "mmpersonsearch train: env_cfg.dist_cfg.backend is 'nccl', which needs GPUs" in done.stderr
    assert "Traceback" not in done.stderr
