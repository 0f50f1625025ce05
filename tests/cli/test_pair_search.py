"""A test by pairs from the command line: metrics, predictions, their evaluation again, and ranking lists."""

import json

import pytest
import torch
from dataset_writers import write_prw
from mmengine.runner import CheckpointLoader
from pair_cases import ColorSearch

from mmpersonsearch.cli import eval as eval_command
from mmpersonsearch.cli import rank, test

CONFIG = """
default_scope = "mmpersonsearch"
model = dict(type="ColorSearch")
pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="mmdet.Resize", scale=(160, 120), keep_ratio=True),
    dict(type="LoadPersonSearchAnnotations", clip=False),
    dict(type="PackPersonSearchInputs"),
]
dataset = dict(type="PRWDataset", data_root="prw", split="test", pipeline=pipeline)
test_dataloader = dict(num_workers=0, dataset=dataset, sampler=dict(type="DefaultSampler", shuffle=False))
test_evaluator = dict(type="PairSearchMetric")
test_cfg = dict(type="PairSearchLoop")
default_hooks = dict(visualization=dict(type="PersonSearchVisualizationHook"))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setattr(CheckpointLoader, "_schemes", dict(CheckpointLoader._schemes))
    write_prw(tmp_path / "prw")
    (tmp_path / "pairs.py").write_text(CONFIG)
    torch.save(ColorSearch().state_dict(), "model.pth")
    return tmp_path


@pytest.mark.filterwarnings("ignore:queries skipped")
def test_metrics_predictions_and_ranking_lists(folder):
    test.main(["pairs.py", "model.pth", "--out", "predictions.pkl", "--work-dir", "work"])
    tested = json.loads((folder / "work/result.json").read_text())
    assert tested["person_search/top-1"] > 0.5 and tested["protocol"]["num_queries"] == 3

    eval_command.main(["predictions.pkl", "pairs.py", "--out", "again.json", "--compare", "work/result.json"])
    again = json.loads((folder / "again.json").read_text())
    assert {key: again[key] for key in again if "/" in key} == {key: tested[key] for key in tested if "/" in key}

    rank.main(["pairs.py", "predictions.pkl", "--out", "ranking.png", "--worst-first"])
    assert (folder / "ranking.png").stat().st_size > 1000
    for args, message in (
        (["predictions.pkl", "pairs.py", "--ranking", "RankingWithContextPersons"], "compares embeddings"),
        (["predictions.pkl", "embeddings.py"], "holds predictions of search by pairs"),
    ):
        (folder / "embeddings.py").write_text(CONFIG.replace("PairSearchMetric", "PersonSearchMetric"))
        with pytest.raises(SystemExit, match=message):
            eval_command.main(args)


def test_pictures_of_detections_are_refused(folder):
    with pytest.raises(SystemExit, match="--show-dir: in search by pairs"):
        test.main(["pairs.py", "model.pth", "--show-dir", "pictures"])
