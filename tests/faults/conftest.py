"""Tests that break what a training stands on."""

from pathlib import Path

import pytest
from tiny_trainings import import_all, write_data

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config, items):
    """All of this folder are ``faults``; those marked ``drill``, which take long, run when asked for."""
    own = [item for item in items if HERE in item.path.parents]
    for item in own:
        item.add_marker("faults")
    left_out = [item for item in own if item.get_closest_marker("drill") and "drill" not in config.option.markexpr]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session", autouse=True)
def imports():
    import_all()


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("tiny"))
