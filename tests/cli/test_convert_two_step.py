import json

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader
from tiny_models import SYNTH

from mmpersonsearch.cli import convert_two_step, test
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.checkpoint import load_checkpoint_file, load_strictly

TWO_STEP = SYNTH / "two_step/faster-rcnn_bot_synth.py"
PART_CONFIGS = dict(detector=SYNTH / "two_step/faster-rcnn_r18ibn_synth.py", reid=SYNTH / "reid/bot_r18ibn_synth.py")


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope("mmpersonsearch"):
        yield


@pytest.fixture(scope="module")
def trained():
    """Weights of the two parts as their own trainings would leave them, every number drawn."""
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmpersonsearch"):
        parts = {name: MODELS.build(Config.fromfile(path).model) for name, path in PART_CONFIGS.items()}
    return {
        name: {key: torch.rand_like(v) if v.is_floating_point() else v for key, v in part.state_dict().items()}
        for name, part in parts.items()
    }


@pytest.fixture
def paths(trained, tmp_path):
    for name, weights in trained.items():
        torch.save(dict(meta=dict(epoch=3), state_dict=weights), tmp_path / f"{name}.pth")
    return tmp_path / "detector.pth", tmp_path / "reid.pth", tmp_path / "out/joined.pth"


def join(detector, reid, out, config=TWO_STEP):
    convert_two_step.main([str(config), str(detector), str(reid), "--out", str(out)])


def test_joined_checkpoint_is_both_and_nothing_else(trained, paths):
    join(*paths)
    joined = load_checkpoint_file(paths[2])
    expected = {f"{part}.{key}": value for part, weights in trained.items() for key, value in weights.items()}
    assert joined["state_dict"].keys() == expected.keys()
    assert [key for key in expected if not torch.equal(joined["state_dict"][key], expected[key])] == []
    assert joined["meta"] == dict(detector=str(paths[0]), reid=str(paths[1]))
    load_strictly(MODELS.build(Config.fromfile(TWO_STEP).model), joined, "joined.pth")


def test_bare_weights_of_a_wrapped_model(trained, paths):
    torch.save({f"module.{key}": value for key, value in trained["reid"].items()}, paths[1])
    join(*paths)
    joined = load_checkpoint_file(paths[2])["state_dict"]
    assert torch.equal(joined["reid.head.bn.weight"], trained["reid"]["head.bn.weight"])


def without(weights, key):
    return {name: value for name, value in weights.items() if name != key}


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        (
            "detector",
            lambda w: without(w, "rpn_head.rpn_cls.bias"),
            r"detector\.pth .*rpn_head\.rpn_cls\.bias is missing",
        ),
        ("reid", lambda w: without(w, "head.bn.weight"), r"reid\.pth .*head\.bn\.weight is missing"),
        ("reid", lambda w: {**w, "extra": torch.ones(1)}, r"reid\.pth .*extra is unexpected"),
        (
            "reid",
            lambda w: {**w, "head.classifier.weight": torch.ones(3, 512)},
            r"head\.classifier\.weight has shape \(3, 512\), expected \(150, 512\)",
        ),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_written(trained, paths, part, change, message):
    torch.save(dict(state_dict=change(trained[part])), paths[0].with_name(f"{part}.pth"))
    with pytest.raises(SystemExit, match=message):
        join(*paths)
    assert not paths[2].exists()


def test_checkpoints_in_the_wrong_order(paths):
    detector, reid, out = paths
    with pytest.raises(
        SystemExit, match=r"reid\.pth does not fit .*roi_head\.bbox_head.* is missing|rpn_head.* is missing"
    ):
        join(reid, detector, out)


def test_missing_file_is_named(paths):
    with pytest.raises(SystemExit, match=r"nobody\.pth does not exist"):
        join(paths[0], "nobody.pth", paths[2])


def test_other_model_is_named(paths):
    with pytest.raises(SystemExit, match=r"expected model\.type TwoStepPersonSearch, got PersonDetector"):
        join(*paths, config=PART_CONFIGS["detector"])


def run_test_tool(checkpoint, prw_root, monkeypatch, work_dir):
    monkeypatch.setenv("SYNTH_ROOT", str(prw_root))
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setattr(CheckpointLoader, "_schemes", dict(CheckpointLoader._schemes))
    workers = [f"test_dataloader.{key}" for key in ("num_workers=0", "persistent_workers=False")]
    options = [*workers, "test_evaluator.det_thr=0.0"]
    options += ["model.detector.test_cfg.rcnn.score_thr=0.0", "model.detector.test_cfg.rcnn.max_per_img=3"]
    args = [str(TWO_STEP), str(checkpoint), "--work-dir", str(work_dir), "--cfg-options", *options]
    test.main(args)


def test_joined_checkpoint_is_tested_like_any_other(paths, prw_root, monkeypatch, tmp_path):
    torch.manual_seed(0)
    for path, config in zip(paths, PART_CONFIGS.values()):  # drawn weights of any size would overflow
        torch.save(MODELS.build(Config.fromfile(config).model).state_dict(), path)
    join(*paths)
    run_test_tool(paths[2], prw_root, monkeypatch, tmp_path / "tested")
    figures = json.loads((tmp_path / "tested/result.json").read_text())
    assert {"person_search/mAP", "person_search/rcp/mAP", "detection/ap", "detection/labelled/recall"} <= figures.keys()
    assert all(0 <= value <= 1 for value in figures.values() if isinstance(value, float))


def test_a_part_alone_is_no_checkpoint_of_the_model(paths, prw_root, monkeypatch, tmp_path):
    with pytest.raises(SystemExit, match=r"does not fit TwoStepPersonSearch: detector\.backbone\S+ is missing"):
        run_test_tool(paths[0], prw_root, monkeypatch, tmp_path / "tested")
