"""Which runs are done, in which order, with what."""

import functools
import json
from pathlib import Path

import pytest
from mmengine.config import Config
from synthetic_records import make_record

from projects.synthetic_benchmark.run import bench as bench_module
from projects.synthetic_benchmark.run import benchmark, plan, records, tables
from projects.synthetic_benchmark.run.bench import Bench
from projects.synthetic_benchmark.run.data_stages import METRICS
from projects.synthetic_benchmark.run.plan import Planner


@pytest.fixture
def stand_ins(tmp_path, monkeypatch):
    """Runs are records at once; gives what was run. The configs stay the same."""
    monkeypatch.setattr(records, "RUNS", tmp_path / "runs.jsonl")
    for name in ("SUMMARY_PAGE", "TABLES_PAGE"):
        monkeypatch.setattr(tables, name, tmp_path / f"{name}.md")
        (tmp_path / f"{name}.md").write_text(tables.BEGIN + tables.END)
    ran = []

    def run(self, name, seed):
        ran.append((name, seed))
        return make_record(name, seed, 0.1, digest=self.planner.digest(name, seed))

    monkeypatch.setattr(Bench, "prepare", lambda self: None)
    monkeypatch.setattr(Bench, "run", run)
    monkeypatch.setattr(Bench, "train", lambda self, training: ran.append(training.folder.name))
    monkeypatch.setattr(Planner, "digest", lambda self, name, seed: f"{name}{seed}")
    monkeypatch.setattr(plan.os, "environ", dict(plan.os.environ))
    return ran


def test_finished_runs_are_not_run_again_unless_configs_change(tmp_path, monkeypatch, stand_ins):
    arguments = ["--methods", "oim-star", "baseline", "--work-dir", str(tmp_path), "--seeds"]
    benchmark.main([*arguments, "0"])
    benchmark.main([*arguments, "0", "1"])
    assert stand_ins == [("oim-star", 0), ("baseline", 0), ("oim-star", 1), ("baseline", 1)]
    monkeypatch.setattr(Planner, "digest", lambda self, name, seed: f"{name}{seed}".replace("base", "b"))
    benchmark.main([*arguments, "0"])
    assert stand_ins[4:] == [("baseline", 0)]
    written = records.read_records()
    assert len(written) == 4 and written[-1]["digest"] == "bline0"


def test_what_another_process_has_begun_comes_last(tmp_path, monkeypatch, stand_ins):
    names = ["oim-star", "tdn-bot", "wo-ktb", "baseline"]
    bench, other = Bench(tmp_path), Bench(tmp_path)
    begun = [bench.planner.folder(name, 0).name for name in ("oim-star", "wo-ktb")]
    with other.lock(begun[0]), other.lock(begun[1]), bench.lock(begun[1], wait=False) as is_ours:
        assert not is_ours
        with monkeypatch.context() as patched:  # without a second round, which would wait
            patched.setattr(Bench, "lock", functools.partialmethod(never_wait, Bench.lock))
            bench.run_all(names, [0])
    assert stand_ins[:3] == ["bot_r18ibn_synth_600i_seed0", ("tdn-bot", 0), ("baseline", 0)]
    other._add_record(make_record("oim-star", 0, 0.2))
    bench.run_all(names, [0])
    assert ("oim-star", 0) not in stand_ins and stand_ins.count(("wo-ktb", 0)) == 1


def test_what_needs_another_process_training_comes_last(tmp_path, monkeypatch, stand_ins):
    """DET_50, a row of its own, teaches the second method."""
    names = ["det-r50", "oim-r18-kd-both", "oim-r18-kd-reid"]
    bench, other = Bench(tmp_path), Bench(tmp_path)
    with other.lock(bench.planner.folder("det-r50", 0).name), monkeypatch.context() as patched:
        patched.setattr(Bench, "lock", functools.partialmethod(never_wait, Bench.lock))
        bench.run_all(names, [0])
    assert [one for one in stand_ins if one != "oim_r50_synth_800i_seed0"] == [("oim-r18-kd-reid", 0)]
    other._add_record(make_record("det-r50", 0, 0.2))
    bench.run_all(names, [0])
    assert stand_ins[-3:] == ["faster-rcnn_r50-c4_synth_800i_seed0", "oim_r50_synth_800i_seed0", ("oim-r18-kd-both", 0)]


def never_wait(self, original, name, wait=True):
    return original(self, name, wait=name == "records")


def test_what_is_trained_with_what(tmp_path, monkeypatch):
    """A TDN: weights on their own set, then the teacher from these, then the student from both."""
    ran = []

    def train(stage, log):
        if stage.command[0] == "tools/train.py":
            config = Config.fromfile(stage.command[1])
            ran.append((Path(stage.command[1]).parent, config))
            (Path(stage.command[1]).parent / "last_checkpoint").write_text("unused")
        if stage.command[0] == "tools/test.py":
            result = dict.fromkeys(METRICS.values(), 0.5) | {"protocol": {"data": {}}, "versions": {}}
            tested = Path(stage.command[2])
            tested.mkdir(parents=True)
            (tested / "result.json").write_text(json.dumps(result))

    monkeypatch.setattr(bench_module, "run_command", train)
    monkeypatch.setattr(bench_module, "link_latest_checkpoint", lambda folder: None)
    monkeypatch.setattr(plan.os, "environ", dict(plan.os.environ))
    bench = Bench(tmp_path)
    result = bench.run("tdn-bot", 1)
    (weights, weights_cfg), (teacher, teacher_cfg), (_, student_cfg) = ran
    assert weights_cfg.train_dataloader.dataset.data_root == f"{tmp_path}/weights/reid/"
    assert teacher_cfg.train_dataloader.dataset.data_root == f"{tmp_path}/reid/"
    assert student_cfg.train_dataloader.dataset.data_root == f"{tmp_path}/synth/"
    assert weights_cfg.model.backbone.init_cfg is None
    for config in (teacher_cfg, student_cfg):
        assert config.model.backbone.init_cfg.checkpoint == str(weights / "latest.pth")
    assert student_cfg.model.roi_head.reid_head.teacher.checkpoint == str(teacher / "latest.pth")
    assert result["iterations"] == student_cfg.train_cfg.max_iters and result["mAP"] == 0.5
    Bench(tmp_path).run("tdn-bot", 1)
    assert len(ran) == 3  # nothing is done twice
    read = Config.fromfile

    def read_changed(path):
        config = read(path)
        if Path(path).stem == "bot_r18ibn_synth" and config.train_dataloader.dataset.data_root == f"{tmp_path}/reid/":
            config.model.head.triplet_weight = 3
        return config

    monkeypatch.setattr(plan.Config, "fromfile", read_changed)
    (teacher / "iter_1.pth").touch()
    changed = Bench(tmp_path).run("tdn-bot", 1)
    # The teacher's config has changed: it and its student are trained anew, the old trainings are kept aside.
    assert [folder for folder, _ in ran[3:]] == [teacher, ran[2][0]] and changed["digest"] != result["digest"]
    assert not (teacher / "iter_1.pth").exists()
    assert len(list(tmp_path.glob(f"{teacher.name}_outdated_*/iter_1.pth"))) == 1
