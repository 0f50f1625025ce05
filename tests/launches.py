"""Small trainings and tests that launchers start as a user does, each process a new one."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[1]


def free_port():
    with socket.socket() as free:
        free.bind(("", 0))
        return str(free.getsockname()[1])


def write_config(path, scenes, **changes):
    """Writes OIM*'s config at toy size on scenes in PRW's structure.

    Args:
        path: The file.
        scenes: Folder of the data set.
        **changes: Dotted keys with "__" for the dot, as for ``--cfg-options``.
    """
    cfg = Config.fromfile(ROOT / "projects/synthetic_benchmark/configs/tdn/tdn_r18ibn_synth_oim-star.py")
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.type = "PRWDataset"
        loader.dataset.data_root = str(scenes)
        loader.num_workers = 0
        loader.persistent_workers = False
        next(step for step in loader.dataset.pipeline if step.type == "mmdet.Resize").scale = (160, 96)
    cfg.train_dataloader.batch_size = 1
    cfg.randomness = dict(seed=0)
    # An untrained detector is sure of nothing; of few boxes that it finds all the same, all are kept.
    cfg.model.test_cfg.rcnn.score_thr = 0.0
    cfg.model.test_cfg.rcnn.max_per_img = 20
    cfg.val_evaluator.det_thr = cfg.test_evaluator.det_thr = 0.0
    cfg.merge_from_dict({key.replace("__", "."): value for key, value in changes.items()})
    cfg.dump(path)
    return path


def environment(**variables):
    """Of a launcher: this interpreter, this package, a free port, one thread a process."""
    given = {
        "PYTHON": sys.executable,
        "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}",
        "OMP_NUM_THREADS": "1",
        "PORT": free_port(),
        "MASTER_PORT": free_port(),
        "IBN_R18_WEIGHTS": "none",
        "SYNTH_WEIGHTS": "none",
    }
    return {**os.environ, **given, **variables}


def launch(script, *args, cwd, timeout=120, **variables):
    """Run a launcher of ``tools/`` to its end."""
    return subprocess.run(
        [str(ROOT / "tools" / script), *map(str, args)],
        cwd=cwd,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def assert_equal_predictions(one, other):
    """Compares what prediction files hold, the order of images included; numbers to 1e-5."""
    if isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_equal_predictions(one[key], other[key])
    elif isinstance(one, np.ndarray):
        np.testing.assert_allclose(other, one, atol=1e-5)
    else:
        assert one == other
