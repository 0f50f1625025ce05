import functools
import json
from pathlib import Path
from types import SimpleNamespace

import benchmark_synth
import pytest
from benchmark_synth import make_tables, read_curve, scale_schedule
from mmengine.config import Config
from synth_methods import BUDGETS, COMPARISONS, METHODS, weights_config

ROOT = Path(__file__).resolve().parents[2]


def test_names_are_of_one_comparison():
    assert len(METHODS) == sum(len(comparison.methods) for comparison in COMPARISONS)


def test_the_configs_exist():
    for method in METHODS.values():
        for config in (method.config, *method.needs.values()):
            assert (ROOT / config).exists(), config


@pytest.fixture
def stand_ins(tmp_path, monkeypatch):
    """Runs are lines at once; gives what was run. The configs say the same all the time."""
    monkeypatch.setattr(benchmark_synth, "LINES", tmp_path / "lines.jsonl")
    monkeypatch.setattr(benchmark_synth, "PAGE", tmp_path / "page.md")
    (tmp_path / "page.md").write_text(benchmark_synth.BEGIN + benchmark_synth.END)
    ran = []

    def run(self, name, seed):
        ran.append((name, seed))
        return line(name, seed, 0.1, digest=self.digest(name, seed))

    for name, function in dict(
        prepare=lambda self: None,
        run=run,
        digest=lambda self, name, seed: f"{name}{seed}",
        train=lambda self, training: ran.append(training.folder.name),
    ).items():
        monkeypatch.setattr(benchmark_synth.Bench, name, function)
    return ran


@pytest.mark.parametrize("budget", [0.5, 1, 3])
def test_the_whole_schedule_is_scaled(budget):
    path = ROOT / "configs/tdn/tdn_r18ibn_synth.py"
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


def line(method, seed, mAP, curve=(), **changed):
    changed = dict(digest=f"{method}{seed}") | changed
    return dict(
        dict.fromkeys(benchmark_synth.FIGURES, 0.5),
        **dict(dict(method=method, seed=seed, budget=BUDGETS[method], iterations=800, mAP=mAP, curve=curve), **changed),
    )


def test_tables_have_mean_and_spread_over_seeds_in_the_papers_order():
    lines = [
        line("inet", 0, 0.1),
        line("tdn-bot", 0, 0.5, curve=[[400, 0.4], [800, 0.5]]),
        line("tdn-bot", 1, 0.6, curve=[[800, 0.6]]),
        line("oim-star", 0, 0.2, curve=[[800, 0.2]]),
    ]
    sizes = {"oim-star": dict(images_per_second=12.34, million_parameters=13.8, gflops=5.41)}
    tdn, _, inet = (part.splitlines() for part in make_tables(lines, sizes).partition("## I-Net"))
    assert tdn[0] == "## TDN, its components and teachers, two-step models (800 iterations)"
    assert tdn[2].startswith("| method | mAP | top-1 |")
    assert tdn[4] == "| OIM* | 20.0 | 50.0 | 50.0 | 50.0 | 50.0 | 1 | 12.3 | 13.8 | 5.4 |"
    # standard deviation of a sample of 50 and 60: sqrt(2 * 25)
    assert tdn[5].startswith("| TDN, BoT | 55.0 ± 7.1 | 50.0 ± 0.0 |") and tdn[5].endswith("| 2 |  |  |  |")
    assert tdn[-5:-1] == [
        "| iterations | 400 | 800 |",
        "| --- | --- | --- |",
        "| OIM* |  | 20.0 |",
        "| TDN, BoT | 40.0 | 50.0 |",
    ]
    assert inet[-1].startswith("| I-Net | 10.0 |")


def test_a_detector_has_a_row_without_figures_of_search():
    of_search = [name for name in benchmark_synth.FIGURES if not name.startswith("det")]
    runs = [{key: value for key, value in line("det-r50", i, 0).items() if key not in of_search} for i in range(2)]
    (row,) = make_tables(runs, {}).splitlines()[4:]
    assert row == "| DET_50 |  |  |  |  | 50.0 ± 0.0 | 2 |  |  |  |"


def test_what_is_measured_is_put_beside_what_was(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark_synth, "SIZES", tmp_path / "sizes.json")
    measured = dict(images_per_second=4.0, million_parameters=2.0, gflops=3.0)
    (tmp_path / "sizes.json").write_text(json.dumps({"fdps": measured, "inet": measured}))
    answer = json.dumps({"results": [dict(measured, images_per_second=8.0, milliseconds={})]})
    configs = []

    def run(command, **kwargs):
        configs.append(command[2])
        return SimpleNamespace(stdout=f"progress\n{answer}\n")

    monkeypatch.setattr(benchmark_synth.subprocess, "run", run)
    benchmark_synth.measure_sizes(["inet"])
    assert configs == [METHODS["inet"].config]
    assert benchmark_synth.read_sizes() == {"fdps": measured, "inet": dict(measured, images_per_second=8.0)}


def test_runs_of_another_budget_are_not_compared():
    lines = [line("tdn-bot", 0, 0.5), line("baseline", 0, 0.9, budget=0.1)]
    assert "baseline" not in make_tables(lines, {}) and "TDN, BoT" in make_tables(lines, {})


def test_only_the_tables_of_the_page_are_replaced(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{benchmark_synth.BEGIN}\nold\n{benchmark_synth.END}\nafter\n")
    monkeypatch.setattr(benchmark_synth, "PAGE", page)
    benchmark_synth.write_tables([line("oim-star", 0, 0.2)])
    text = page.read_text()
    assert text.startswith("before\n<!--") and text.endswith("-->\nafter\n") and "old" not in text and "| OIM*" in text


def test_a_curve_is_read_over_interruptions(tmp_path):
    for i, points in enumerate(([(100, 0.1)], [(200, 0.25), (300, 0.3)])):
        log = tmp_path / f"run{i}/vis_data/scalars.json"
        log.parent.mkdir(parents=True)
        lines = [{"loss": 1.0, "step": 10}, *({"person_search/mAP": mAP, "step": step} for step, mAP in points)]
        log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_curve(tmp_path) == [[100, 0.1], [200, 0.25], [300, 0.3]]


def test_finished_runs_are_not_run_again_unless_configs_change(tmp_path, monkeypatch, stand_ins):
    arguments = ["--methods", "oim-star", "baseline", "--work-dir", str(tmp_path), "--seeds"]
    benchmark_synth.main([*arguments, "0"])
    benchmark_synth.main([*arguments, "0", "1"])
    assert stand_ins == [("oim-star", 0), ("baseline", 0), ("oim-star", 1), ("baseline", 1)]
    monkeypatch.setattr(benchmark_synth.Bench, "digest", lambda self, name, seed: f"{name}{seed}".replace("base", "b"))
    benchmark_synth.main([*arguments, "0"])
    assert stand_ins[4:] == [("baseline", 0)]
    lines = benchmark_synth.read_lines()
    assert len(lines) == 4 and lines[-1]["digest"] == "bline0"


def test_what_another_process_has_begun_comes_last(tmp_path, monkeypatch, stand_ins):
    names = ["oim-star", "tdn-bot", "wo-ktb", "baseline"]
    bench, other = benchmark_synth.Bench(tmp_path), benchmark_synth.Bench(tmp_path)
    begun = [bench.folder(name, 0).name for name in ("oim-star", "wo-ktb")]
    with other.lock(begun[0]), other.lock(begun[1]), bench.lock(begun[1], wait=False) as is_ours:
        assert not is_ours
        with monkeypatch.context() as patched:  # without a second round, which would wait
            patched.setattr(
                benchmark_synth.Bench, "lock", functools.partialmethod(never_wait, benchmark_synth.Bench.lock)
            )
            bench.run_all(names, [0])
    assert stand_ins[:3] == ["bot_r18ibn_synth_600i_seed0", ("tdn-bot", 0), ("baseline", 0)]
    other._add_line(line("oim-star", 0, 0.2))
    bench.run_all(names, [0])
    assert ("oim-star", 0) not in stand_ins and stand_ins.count(("wo-ktb", 0)) == 1


def test_what_needs_another_process_training_comes_last(tmp_path, monkeypatch, stand_ins):
    """DET_50, a row of its own, teaches the second method."""
    names = ["det-r50", "oim-r18-kd-both", "oim-r18-kd-reid"]
    bench, other = benchmark_synth.Bench(tmp_path), benchmark_synth.Bench(tmp_path)
    with other.lock(bench.folder("det-r50", 0).name), monkeypatch.context() as patched:
        patched.setattr(benchmark_synth.Bench, "lock", functools.partialmethod(never_wait, benchmark_synth.Bench.lock))
        bench.run_all(names, [0])
    assert [one for one in stand_ins if one != "oim_r50_synth_800i_seed0"] == [("oim-r18-kd-reid", 0)]
    other._add_line(line("det-r50", 0, 0.2))
    bench.run_all(names, [0])
    assert stand_ins[-3:] == ["faster-rcnn_r50-c4_synth_800i_seed0", "oim_r50_synth_800i_seed0", ("oim-r18-kd-both", 0)]


def never_wait(self, original, name, wait=True):
    return original(self, name, wait=name == "lines")


def test_every_method_and_what_it_needs_starts_from_weights_of_its_backbone():
    trained = {method.config for method in METHODS.values() if not method.is_two_step}
    trained |= {config for method in METHODS.values() for config in method.needs.values()}
    read = functools.cache(lambda config: Config.fromfile(ROOT / config).model.backbone)
    for config in trained:
        source, backbone = read(weights_config(config)), read(config)
        assert source.depth == backbone.depth, config
        assert source.get("ibn_stages", (1, 2, 3)) == backbone.get("ibn_stages", (1, 2, 3)), config


def test_what_is_trained_with_what(tmp_path, monkeypatch):
    """A TDN: weights on their own set, then the teacher from these, then the student from both."""
    ran = []

    def train(stage, log):
        if stage.command[0] == "tools/train.py":
            config = Config.fromfile(stage.command[1])
            ran.append((Path(stage.command[1]).parent, config))
            (Path(stage.command[1]).parent / "last_checkpoint").write_text("unused")
        if stage.command[0] == "tools/test.py":
            result = dict.fromkeys(benchmark_synth.FIGURES.values(), 0.5) | {"protocol": {"data": {}}, "versions": {}}
            tested = Path(stage.command[2])
            tested.mkdir(parents=True)
            (tested / "result.json").write_text(json.dumps(result))

    monkeypatch.setattr(benchmark_synth, "run_command", train)
    monkeypatch.setattr(benchmark_synth, "link_latest_checkpoint", lambda folder: None)
    monkeypatch.setattr(benchmark_synth.os, "environ", dict(benchmark_synth.os.environ))
    bench = benchmark_synth.Bench(tmp_path)
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
    benchmark_synth.Bench(tmp_path).run("tdn-bot", 1)
    assert len(ran) == 3  # nothing is done twice
    read = Config.fromfile

    def read_changed(path):
        config = read(path)
        if Path(path).stem == "bot_r18ibn_synth" and config.train_dataloader.dataset.data_root == f"{tmp_path}/reid/":
            config.model.head.triplet_weight = 3
        return config

    monkeypatch.setattr(benchmark_synth.Config, "fromfile", read_changed)
    (teacher / "iter_1.pth").touch()
    changed = benchmark_synth.Bench(tmp_path).run("tdn-bot", 1)
    # The teacher's config has changed: it and its student are trained anew, the old trainings are kept aside.
    assert [folder for folder, _ in ran[3:]] == [teacher, ran[2][0]] and changed["digest"] != result["digest"]
    assert not (teacher / "iter_1.pth").exists()
    assert len(list(tmp_path.glob(f"{teacher.name}_outdated_*/iter_1.pth"))) == 1


def test_an_old_digest_counts_as_the_one_that_it_was_renamed_to(tmp_path, monkeypatch):
    names = tmp_path / "digests.json"
    names.write_text(json.dumps({"a": "b", "b": "c"}))
    monkeypatch.setattr(benchmark_synth, "RENAMED", names)
    assert [benchmark_synth.current_digest(digest) for digest in "abcd"] == list("cccd")


def test_every_line_is_of_todays_configs(tmp_path):
    bench = benchmark_synth.Bench(tmp_path)
    lines = benchmark_synth.read_lines()
    assert len(lines) > 90
    assert [line for line in lines if not bench.has_line(line["method"], line["seed"])] == []


def test_a_digest_does_not_depend_on_where_things_lie(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark_synth.os, "environ", dict(benchmark_synth.os.environ))
    names = ("tdn-bot", "two-step-bot", "baseline")
    digests = [[benchmark_synth.Bench(tmp_path / place).digest(name, 1) for name in names] for place in "ab"]
    assert digests[0] == digests[1] and len(set(digests[0])) == 3
