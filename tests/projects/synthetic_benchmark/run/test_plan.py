"""Schedules, and what digests depend on."""

import json
from pathlib import Path

import pytest
from mmengine.config import Config

from projects.synthetic_benchmark.run import digests, plan, rename_digests
from projects.synthetic_benchmark.run.methods import METHODS
from projects.synthetic_benchmark.run.plan import Planner, scale_schedule
from projects.synthetic_benchmark.run.records import read_records

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize("budget", [0.5, 1, 3])
def test_the_whole_schedule_is_scaled(budget):
    path = ROOT / METHODS["tdn-bot"].config
    config, scaled = Config.fromfile(path), scale_schedule(Config.fromfile(path), budget, with_curve=True)
    assert scaled.train_cfg.max_iters == config.train_cfg.max_iters * budget == scaled.param_scheduler[-1].end
    assert scaled.train_cfg.val_interval == scaled.train_cfg.max_iters // 4
    assert "val_begin" not in scaled.train_cfg
    without = scale_schedule(Config.fromfile(path), budget, with_curve=False)
    assert without.train_cfg.val_begin > without.train_cfg.max_iters  # MMEngine validates the last iteration
    for before, after in zip(config.param_scheduler, scaled.param_scheduler, strict=True):
        assert (after.begin, after.end) == (before.begin * budget, before.end * budget)
    (before,) = (hook for hook in config.custom_hooks if hook.type == "LossWeightScheduleHook")
    (after,) = (hook for hook in scaled.custom_hooks if hook.type == "LossWeightScheduleHook")
    assert after.milestones == [(time * budget, value) for time, value in before.milestones]


def test_a_digest_does_not_depend_on_where_things_lie(tmp_path, monkeypatch):
    monkeypatch.setattr(plan.os, "environ", dict(plan.os.environ))
    names = ("tdn-bot", "two-step-bot", "baseline")
    found = [[Planner(tmp_path / place).digest(name, 1) for name in names] for place in "ab"]
    assert found[0] == found[1] and len(set(found[0])) == 3


def test_an_old_digest_counts_as_the_one_that_it_was_renamed_to(tmp_path, monkeypatch):
    names = tmp_path / "digests.json"
    names.write_text(json.dumps({"a": "b", "b": "c"}))
    monkeypatch.setattr(digests, "RENAMED", names)
    assert [digests.current_digest(digest) for digest in "abcd"] == list("cccd")


def test_every_record_is_of_todays_configs(tmp_path, monkeypatch):
    monkeypatch.setattr(plan.os, "environ", dict(plan.os.environ))
    planner, records = Planner(tmp_path), read_records()
    assert len(records) > 90
    stale = [
        (record["method"], record["seed"])
        for record in records
        if digests.current_digest(record["digest"]) != planner.digest(record["method"], record["seed"])
    ]
    assert stale == []
    assert [record for record in records if record["config"] != METHODS[record["method"]].config] == []


def test_digests_of_before_are_mapped_to_those_of_today(tmp_path, monkeypatch):
    monkeypatch.setattr(rename_digests, "RENAMED", tmp_path / "digests.json")
    (tmp_path / "digests.json").write_text(json.dumps({"first": "second"}))
    (tmp_path / "before.json").write_text(json.dumps({"tdn": "second", "oim": "same", "gone": "third"}))
    monkeypatch.setattr(rename_digests, "list_digests", lambda: {"tdn": "today", "oim": "same", "new": "fourth"})
    rename_digests.main(["--map", str(tmp_path / "before.json")])
    assert json.loads((tmp_path / "digests.json").read_text()) == {"first": "second", "second": "today"}
    rename_digests.main(["--write", str(tmp_path / "now.json")])
    assert json.loads((tmp_path / "now.json").read_text())["tdn"] == "today"


def test_all_trainings_and_two_step_models_have_a_digest(monkeypatch):
    monkeypatch.setattr(plan.os, "environ", dict(plan.os.environ))
    monkeypatch.setattr(rename_digests, "SEEDS", range(1))
    found = rename_digests.list_digests()
    assert {"two-step-bot 0", "tdn_r18ibn_synth_800i_seed0", "weights/bot_r18ibn_synth_300i_seed0"} <= found.keys()
