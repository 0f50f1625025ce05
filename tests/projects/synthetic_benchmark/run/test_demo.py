import json
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from projects.synthetic_benchmark.run import demo
from projects.synthetic_benchmark.run.machine_speed import MachineSpeed, measure_speed

ROOT = Path(__file__).resolve().parents[4]


def test_result_has_the_promised_keys(tmp_path, capsys):
    metrics = {key: i / 10 for i, key in enumerate(demo.METRICS.values())}
    (tmp_path / "test").mkdir()
    records = dict(protocol=dict(det_thr=0.5), model={}, versions={})
    (tmp_path / "test/result.json").write_text(json.dumps({**metrics, "person_search/top-5": 1.0, **records}))
    result = demo.write_result(tmp_path, dict(synth=1.2345, tdn=4.0))
    assert json.loads((tmp_path / "result.json").read_text()) == result
    assert set(result) == {"mAP", "top-1", "mAP_rcp", "top-1_rcp", "det_ap", "det_recall", "minutes", *records}
    assert result["protocol"] == records["protocol"]
    assert result["mAP"] == metrics["person_search/mAP"]
    assert result["mAP_rcp"] == metrics["person_search/rcp/mAP"]
    assert result["minutes"] == dict(synth=1.23, tdn=4.0)
    demo.print_summary(result, tmp_path)
    assert str(tmp_path / "ranking.png") in capsys.readouterr().out


def test_the_stages_commands_exist(tmp_path):
    stages = demo.make_stages(tmp_path)
    for stage in stages:
        files = [part for part in stage.command if part.endswith(".py")]
        pairs = zip(stage.command, stage.command[1:])
        modules = [module.replace(".", "/") for option, module in pairs if option == "-m"]
        assert files or modules
        assert all((ROOT / part).exists() for part in [*files, *modules]), stage.name
    assert len({stage.name for stage in stages}) == len(stages)


def test_training_and_testing_agree_on_sizes(tmp_path):
    """The teacher sees crops of the size that it is trained on, and its map and the bridge's fit the RoI's."""
    teacher, tdn = (Config.fromfile(ROOT / path) for path in (demo.TEACHER, demo.TDN))
    height, width = demo.CROP_SIZE
    resize = teacher.train_dataloader.dataset.pipeline[1]
    assert tuple(resize.scale) == (width, height)
    assert tuple(teacher.train_dataloader.dataset.pipeline[3].crop_size) == demo.CROP_SIZE
    assert tuple(teacher.test_dataloader.dataset.pipeline[1].scale) == (width, height)
    roi_head = tdn.model.roi_head
    assert tuple(roi_head.crop_extractor.roi_layer.output_size) == demo.CROP_SIZE
    assert tuple(roi_head.reid_roi_extractor.roi_layer.output_size) == (height // 8, width // 8)
    (crop,) = (stage for stage in demo.make_stages(tmp_path) if stage.name.startswith("crops"))
    assert " ".join(["--size", str(height), str(width)]) in " ".join(crop.command)


def test_tdn_starts_from_the_teacher_and_the_teacher_from_nothing(tmp_path):
    env = {stage.name: stage.env for stage in demo.make_stages(tmp_path)}
    assert "SYNTH_WEIGHTS" not in env["teacher"]
    assert env["tdn"]["SYNTH_WEIGHTS"] == env["tdn"]["TEACHER_CHECKPOINT"]


def test_the_seed_is_that_of_both_trainings(tmp_path):
    def changed(stages, others):
        return [a.name for a, b in zip(stages, others, strict=True) if a.command != b.command]

    assert changed(demo.make_stages(tmp_path, seed=0), demo.make_stages(tmp_path, seed=1)) == ["teacher", "tdn"]
    assert "randomness.seed=1" in demo.make_stages(tmp_path, seed=1)[-3].command


def test_the_time_follows_from_the_machines_speed(tmp_path):
    def estimate(convolutions, python):
        stages = demo.make_stages(tmp_path)
        demo.estimate_minutes(stages, MachineSpeed(convolutions, python))
        return {stage.name: stage.minutes for stage in stages}

    minutes = estimate(0.01, 0.02)
    assert all(value > 0 for value in minutes.values())
    assert estimate(0.02, 0.04) == pytest.approx({name: 2 * value for name, value in minutes.items()})
    # Drawing does not convolve.
    assert estimate(0.02, 0.02)["synth"] == minutes["synth"]
    assert estimate(0.02, 0.02)["tdn"] > 1.5 * minutes["tdn"]


def test_the_machines_speed_is_measured_in_seconds():
    threads = torch.get_num_threads()
    start = time.monotonic()
    speed = measure_speed(seconds=0.1)
    assert time.monotonic() - start < 20
    assert torch.get_num_threads() == threads
    assert 0 < speed.convolutions < 5
    assert 0 < speed.python < 5
    assert MachineSpeed(0.5, 0.1).minutes(convolutions=60, python=600) == pytest.approx(1.5)
