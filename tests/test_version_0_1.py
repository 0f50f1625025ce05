"""What version 0.1.0 has written is read, and comes to what it came to then."""

import json
import shutil
import warnings
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.registry import init_default_scope
from resolved_configs import environment_variables, leaves
from version_0_1 import CHECKPOINTS, FOLDER, IDENTITIES, RANKINGS, SEARCHES, weights_for

from mmpersonsearch.cli.main import main
from mmpersonsearch.registry import HOOKS, MODELS
from mmpersonsearch.utils.checkpoint import load_checkpoint_file

LEAVES = leaves()
# Of result.json: versions of what is installed here. All else is compared to the last digit, the digests of the
# annotations and what the predictions tell of their model too; it names no folder of the data.
DEPENDS_ON_PLACE = ("versions",)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in environment_variables():
        monkeypatch.delenv(name, raising=False)


def build(stem):
    init_default_scope("mmpersonsearch")
    return MODELS.build(Config.fromfile(LEAVES[stem]).model)


def check_weights(model, prefix=""):
    """All weights of a model are those that were saved under their keys."""
    state_dict = model.state_dict()
    assert state_dict
    for key, value in state_dict.items():
        assert torch.equal(value, weights_for(prefix + key, value)), key


@pytest.mark.parametrize(("name", "stem"), CHECKPOINTS.items(), ids=CHECKPOINTS)
def test_a_checkpoint_fills_its_model(name, stem):
    checkpoint = load_checkpoint_file(FOLDER / name)
    numbers = [float(value.flatten()[0]) for key, value in checkpoint["state_dict"].items() if "lut" not in key]
    assert len(set(numbers)) == len(numbers)  # a weight in the wrong place is noticed
    model = build(stem)
    model.load_state_dict(checkpoint["state_dict"], strict=True)
    check_weights(model)


@pytest.mark.parametrize("name", [name for name in CHECKPOINTS if name != "two_step.pth"])
def test_a_checkpoint_tells_what_the_runner_wrote(name):
    checkpoint = load_checkpoint_file(FOLDER / name)
    meta, messages = checkpoint["meta"], checkpoint["message_hub"]
    assert meta["experiment_name"].startswith(CHECKPOINTS[name]) and meta["iter"] == 2
    assert "model = dict(" in meta["cfg"]
    if name != "bot.pth":
        assert meta["dataset_meta"]["num_ids"] == 150 and meta["dataset_meta"]["identities"] == IDENTITIES
        assert meta["dataset_meta"]["classes"] == ("person",)
    loss = messages["log_scalars"]["train/loss"]
    assert isinstance(loss, HistoryBuffer) and loss.current() == 2.25
    assert messages["runtime_info"]["iter"] == 2


def run_hook(stem, kind, model):
    """Have a config's hook load what training starts from."""
    cfg = Config.fromfile(LEAVES[stem])
    (hook,) = (hook for hook in cfg.default_hooks.values() if hook["type"] == kind)
    dataset = SimpleNamespace(metainfo=dict(num_ids=len(IDENTITIES), identities=IDENTITIES))
    runner = SimpleNamespace(model=model, iter=0, train_dataloader=SimpleNamespace(dataset=dataset))
    HOOKS.build(hook).before_train(runner)


def test_a_lut_is_read_for_kd_reid(monkeypatch):
    monkeypatch.setenv("LUT_CHECKPOINT", str(FOLDER / "oim.pth"))
    stem = "oim_r18_synth_kd-reid"
    model = build(stem)
    run_hook(stem, "FrozenPartsHook", model)
    loss = model.roi_head.reid_head.loss_id
    assert loss.lut_loaded and loss.freeze_lut
    lut = loss.lut.features
    assert torch.equal(lut, weights_for("roi_head.reid_head.loss_id.lut.features", lut))
    assert len(lut.unique(dim=0)) == len(IDENTITIES)


def test_a_lut_of_other_identities_is_refused(monkeypatch):
    monkeypatch.setenv("LUT_CHECKPOINT", str(FOLDER / "oim.pth"))
    loss = build("oim_r18_synth_kd-reid").roi_head.reid_head.loss_id
    with pytest.raises(ValueError, match=r"oim\.pth is of other identities: row 149 is number 449 there and none in"):
        loss.load_frozen(loss, dict(identities=IDENTITIES[:-1]), resumed=False)


def test_a_teacher_is_read_for_tdn(monkeypatch):
    monkeypatch.setenv("TEACHER_CHECKPOINT", str(FOLDER / "bot.pth"))
    stem = "tdn_r18ibn_synth"
    model = build(stem)
    run_hook(stem, "FrozenPartsHook", model)
    teacher = model.roi_head.reid_head.teacher
    assert teacher.loaded
    check_weights(teacher.model)


def test_two_checkpoints_are_joined(tmp_path):
    parts = dict(detector=FOLDER / "faster_rcnn.pth", reid=FOLDER / "bot.pth")
    config, out = LEAVES["faster-rcnn_bot_synth"], tmp_path / "joined.pth"
    main(["convert", "two-step", str(config), *map(str, parts.values()), "--out", str(out)])
    joined, before = load_checkpoint_file(out), load_checkpoint_file(FOLDER / "two_step.pth")
    assert joined.keys() == before.keys() and joined["meta"].keys() == before["meta"].keys()
    assert list(joined["state_dict"]) == list(before["state_dict"])
    for key, value in joined["state_dict"].items():
        assert torch.equal(value, weights_for(key.partition(".")[2], value)), key


@pytest.mark.parametrize("name", SEARCHES)
def test_predictions_come_to_their_figures(name, tmp_path, monkeypatch):
    variable, stem, options = SEARCHES[name]
    root = shutil.copytree(FOLDER / name, tmp_path / name)
    # The images are not read, but their folder has to be there.
    (root / ("frames" if name == "prw" else "Image/SSM")).mkdir(parents=True)
    monkeypatch.setenv(variable, str(root))
    out = tmp_path / "result.json"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of galleries smaller than their names, of a query that is nowhere
        main(["eval", str(root / "predictions.pkl"), str(LEAVES[stem]), *options, *RANKINGS, "--out", str(out)])
    found, before = (json.loads(path.read_text()) for path in (out, root / "result.json"))
    assert found.keys() == before.keys()
    for key in DEPENDS_ON_PLACE:
        del found[key], before[key]
    assert found == before
    assert 0.3 < before["person_search/mAP"] < 0.6 and 0.3 < before["detection/ap"] < 0.7
    assert {"person_search/rcp/mAP", "person_search/cbgm/mAP"} < before.keys()
