"""Configs come to what they came to before a refactoring, see ``resolved_configs.py``.

The digests of weights are compared where models are built anyway, in ``test_configs.py``.
"""

import json

import pytest
from as_before import as_before
from mmengine.config import Config
from resolved_configs import RECORD, as_text, digest, environment_variables, leaves

RECORDED = json.loads(RECORD.read_text())
LEAVES = leaves()  # no two of one name


def test_no_config_is_lost():
    assert sorted(RECORDED.keys() - LEAVES) == []


@pytest.mark.parametrize("stem", RECORDED)
def test_config_comes_to_what_it_did(stem, monkeypatch):
    for name in environment_variables():
        monkeypatch.delenv(name, raising=False)
    config = as_text(as_before(Config.fromfile(LEAVES[stem]).to_dict()))
    assert digest(config) == RECORDED[stem]["config"], (
        f"{stem}: python tests/resolved_configs.py --show FOLDER here and at the commit of before, compare the folders"
    )
