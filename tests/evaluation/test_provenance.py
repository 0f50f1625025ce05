import copy
import json

import pytest
from random_cases import draw_case

from mmpersonsearch.evaluation import RankingWithContextPersons, evaluate_searches
from mmpersonsearch.evaluation.provenance import (
    describe_model,
    describe_protocol,
    describe_versions,
    protocol_differences,
)

pytestmark = pytest.mark.filterwarnings("ignore:queries skipped")


@pytest.fixture(scope="module")
def record():
    case = draw_case(2, galleries=(4, 8))
    case[0].data = {"data_set": "PRWDataset", "boxes": "sha256:01"}
    rankings = [None, RankingWithContextPersons(0.4, 0.1)]
    searches = evaluate_searches(*case, rankings=rankings)
    return describe_protocol(case[0], searches, rankings, det_thr=0.5, iou_thr=0.5)


def test_protocol_says_what_figures_depend_on(record):
    assert record["data"] == {"data_set": "PRWDataset", "boxes": "sha256:01"}
    assert record["galleries"] == [4, 8] and set(record["queries_left_out"]) == {"4", "8"}
    assert record["rankings"] == {
        "rcp": {"type": "RankingWithContextPersons", "threshold": 0.4, "weight": 0.1, "name": "rcp"}
    }
    assert (record["det_thr"], record["num_images"]) == (0.5, 12)
    assert json.loads(json.dumps(record)) == record


def changed(record, **values):
    record = copy.deepcopy(record)
    for path, value in values.items():
        *parents, last = path.split("__")
        part = record
        for name in parents:
            part = part[name]
        part[last] = value
    return record


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, []),
        ({"det_thr": 0.3}, ["det_thr: 0.5 and 0.3"]),
        ({"data__boxes": "sha256:02"}, ["data, boxes: 'sha256:01' and 'sha256:02'"]),
        ({"data__queries": "sha256:03"}, ["data, queries: None and 'sha256:03'"]),
        ({"galleries": "cross_camera"}, ["galleries: [4, 8] and 'cross_camera'"]),
        ({"rankings__mine": {"type": "Mine"}}, []),
        ({"rankings__rcp": {"type": "Mine"}}, ["rankings, rcp"]),
    ],
)
def test_differences(record, values, expected):
    other = changed(record, **values)
    for lines in (protocol_differences(record, other), protocol_differences(other, record)):
        assert len(lines) == len(expected)
    assert all(line.startswith(e) for line, e in zip(protocol_differences(record, other), expected))


def test_model_is_told_by_config_and_weights(tmp_path):
    (tmp_path / "a.pth").write_bytes(b"one")
    first = describe_model(dict(lr=1, seed=0), "c.py", tmp_path / "a.pth")
    assert first == describe_model(dict(seed=0, lr=1), "c.py", tmp_path / "a.pth")
    (tmp_path / "a.pth").write_bytes(b"two")
    second = describe_model(dict(lr=2, seed=0), "c.py", tmp_path / "a.pth")
    assert first["config_digest"] != second["config_digest"]
    assert first["checkpoint_digest"] != second["checkpoint_digest"]
    assert "checkpoint_digest" not in describe_model({}, "c.py", "https://example.org/a.pth")


def test_versions():
    assert {"mmpersonsearch", "torch", "numpy", "mmengine"} <= describe_versions().keys()
