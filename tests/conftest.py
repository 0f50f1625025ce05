"""What all tests share: real samples where there are any, and small data sets that are written on the spot."""

import os
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
# So that tests of every folder can import tests/dataset_writers.py.
sys.path.insert(0, str(REPO / "tests"))


@pytest.fixture(scope="session")
def samples_root():
    """Folder of the real samples ``prw_sample`` and ``cuhk_layout_sample``."""
    root = Path(os.environ.get("MMPERSONSEARCH_SAMPLES", REPO.parent / "shared" / "data"))
    if not (root / "prw_sample").is_dir():
        pytest.skip(f"no real samples in {root}: set MMPERSONSEARCH_SAMPLES")
    return root


@pytest.fixture
def prw_root(tmp_path):
    """A small set in PRW's structure."""
    from dataset_writers import write_prw

    return write_prw(tmp_path / "prw")


@pytest.fixture
def cuhk_root(tmp_path):
    """A small set in CUHK-SYSU's structure."""
    from dataset_writers import write_cuhk

    return write_cuhk(tmp_path / "cuhk")
