"""Configs come to what they came to before a refactoring, see ``resolved_configs.py``."""

import json

import pytest
from resolved_configs import RECORD, digest, environment_variables, leaves, resolve

RECORDED = json.loads(RECORD.read_text())
LEAVES = leaves()  # no two of one name


def test_no_config_is_lost():
    assert sorted(RECORDED.keys() - LEAVES) == []


@pytest.mark.parametrize("stem", RECORDED)
def test_config_comes_to_what_it_did(stem, monkeypatch):
    for name in environment_variables():
        monkeypatch.delenv(name, raising=False)
    config, weights = resolve(LEAVES[stem])
    assert dict(config=digest(config), weights=digest(weights)) == RECORDED[stem], (
        f"{stem}: python tests/resolved_configs.py --show FOLDER here and at the commit of before, compare the folders"
    )
