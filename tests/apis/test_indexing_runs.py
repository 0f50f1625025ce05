"""Indexing by two processes, and by processes that are killed, against one that is left alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from launches import environment

pytest.importorskip("pymilvus", reason="galleries need pymilvus and milvus-lite (extra gallery)")
pytest.importorskip("milvus_lite", reason="galleries need pymilvus and milvus-lite (extra gallery)")

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    paths = dict(PYTHONPATH=f"{TESTS.parent}:{TESTS}")
    command = [sys.executable, str(TESTS / "apis/indexing_runs.py"), str(folder)]
    done = subprocess.run(command, env=environment(**paths), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


@pytest.mark.parametrize("name", ["two", "killed"])
def test_the_rows_are_those_of_one_process(runs, name):
    assert len(runs["one"]["images"]) == 60 and len(runs["one"]["persons"]) > 100
    assert runs[name] == runs["one"]


def test_what_rank_0_refuses_ends_all_ranks(runs):
    assert runs["rank0"] == [["InputError", True], ["InputError", "the disk is full"]]
    assert runs["rank1"] == [["SharedError", True], ["SharedError", "the disk is full"]]
