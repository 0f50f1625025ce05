"""What all tests share: real samples where there are any, and small data sets that are written on the spot."""

import gc
import os
from collections import OrderedDict
from pathlib import Path

import pytest
import yapf.yapflib.yapf_api as yapf_api
from dataset_writers import write_cuhk, write_prw
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader
from mmengine.visualization import Visualizer

import mmpersonsearch  # noqa: F401  (before any test imports mmcv.ops)

REPO = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module", autouse=True)
def frozen_imports():
    """MMEngine collects garbage for each data set; what is imported by now is none, but takes half a second to scan."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def unformatted_configs():
    """The texts of configs as they are, in logs and dumps: to format one takes a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yapf_api, "FormatCode", lambda text, **options: (text, True))
        yield


@pytest.fixture(scope="session")
def samples_root():
    """Folder of the real samples ``prw_sample`` and ``cuhk_layout_sample``."""
    root = Path(os.environ.get("MMPERSONSEARCH_SAMPLES", REPO.parent / "shared" / "data"))
    if not (root / "prw_sample").is_dir():
        pytest.skip(f"no real samples in {root}: set MMPERSONSEARCH_SAMPLES")
    return root


@pytest.fixture
def commands_in_process(monkeypatch):
    """Undoes what ``train`` and ``test`` change in their process: MMEngine's loaders, scope, log and visualizer."""
    monkeypatch.setattr(CheckpointLoader, "_schemes", dict(CheckpointLoader._schemes))
    monkeypatch.setenv("LOCAL_RANK", "0")
    from mmpersonsearch.visualization.local_visualizer import PersonSearchLocalVisualizer

    for kind in (
        MMLogger,
        MessageHub,
        DefaultScope,
        Visualizer,
        PersonSearchLocalVisualizer,
    ):  # of which MMEngine keeps one of a name
        monkeypatch.setattr(kind, "_instance_dict", OrderedDict())


@pytest.fixture
def prw_root(tmp_path):
    """A small set in PRW's structure."""
    return write_prw(tmp_path / "prw")


@pytest.fixture
def cuhk_root(tmp_path):
    """A small set in CUHK-SYSU's structure."""
    return write_cuhk(tmp_path / "cuhk")
