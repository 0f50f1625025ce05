import json
import math
import re

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from resolved_configs import NUM_IDS, RECORD, build_without_weights, digest, weights_of
from tiny_models import ROOT, SYNTH

from mmpersonsearch.engine.num_ids import count_rows
from mmpersonsearch.registry import DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS
from mmpersonsearch.utils.config_files import list_configs

LEAVES = list_configs()
RECORDED = json.loads(RECORD.read_text())
TATTOOS = ROOT / "projects/tattoo_search/configs"


@pytest.mark.parametrize("path", LEAVES, ids=[path.stem for path in LEAVES])
def test_config_builds(path):
    cfg = Config.fromfile(path)
    model = build_without_weights(cfg)
    assert digest(weights_of(model)) == RECORDED[path.stem]["weights"]
    del cfg.default_hooks["visualization"]  # needs the runner's visualizer
    hooks = [HOOKS.build(hook) for hook in (*cfg.default_hooks.values(), *cfg.get("custom_hooks", []))]
    assert {"FrozenPartsHook", "IdentityCountCheckHook"} <= {type(hook).__name__ for hook in hooks}
    METRICS.build(cfg.test_evaluator)
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        assert DATASETS.get(loader.dataset.type) is not None
        for dataset in loader.dataset.get("datasets", {"": loader.dataset}).values():
            assert DATASETS.get(dataset.type) is not None
            for transform in dataset.pipeline:
                TRANSFORMS.build(transform)
    if "reid_head" in cfg.model.get("roi_head", {}):
        reid_head = model.roi_head.reid_head
        assert reid_head.num_ids == (cfg.num_ids or NUM_IDS)
        assert count_rows(model.state_dict()) == reid_head.num_ids
        assert ("LossWeightScheduleHook" in [type(hook).__name__ for hook in hooks]) == reid_head.with_teacher
    elif cfg.model.type != "PersonDetector" and path.stem != "two-step_exported":
        reid = model.reid if cfg.model.type == "TwoStepPersonSearch" else model
        assert count_rows(model.state_dict()) == reid.head.num_ids == (cfg.num_ids or 1041)  # of MSMT17


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in (*LEAVES, *sorted(TATTOOS.glob("*.py")))
        if "synth" in path.stem and "whole-image" not in path.stem
    ],
    ids=lambda path: path.stem,
)
def test_a_schedule_of_iterations_ends_with_training(path):
    cfg = Config.fromfile(path)
    assert cfg.param_scheduler[-1].end == cfg.train_cfg.max_iters == cfg.train_cfg.val_interval
    assert all(one.begin < one.end and not one.by_epoch for one in cfg.param_scheduler)


@pytest.mark.parametrize("path", [path for path in LEAVES if "_kd-det" in path.stem], ids=lambda path: path.stem)
def test_a_detectors_student_has_the_teacher_that_its_config_trains(path):
    cfg = Config.fromfile(path)
    _, run, checkpoint = cfg.model.teacher.checkpoint.split("/")
    trained = Config.fromfile(path.parent / f"{run}.py")
    assert cfg.model.teacher.model.to_dict() == trained.model.to_dict()
    last = trained.train_cfg.get("max_epochs") or trained.train_cfg.max_iters
    assert checkpoint in (f"epoch_{last}.pth", f"iter_{last}.pth")
    assert cfg.train_dataloader.dataset.type == trained.train_dataloader.dataset.type
    assert (cfg.num_ids, cfg.data_root) == (trained.num_ids, trained.data_root)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("tdn/tdn_r18ibn_synth_wo-teacher.py", "bot_r18ibn_synth.py"),
        ("tdn/tdn_r18ibn_synth_oim-star.py", "bot_r18ibn_synth.py"),
        ("two_step/faster-rcnn_r18ibn_synth.py", "bot_r18ibn_synth.py"),
        ("reid/mgn_r18ibn_synth.py", "bot_r18ibn_synth.py"),
        ("reid/agw_r18ibn_synth.py", "bot_r18ibn_synth.py"),
        ("oim/oim_r18_synth.py", "bot_r18ibn_synth.py"),
        ("oim/oim_r50_synth.py", "bot_r50ibn_synth.py"),
        ("oim/faster-rcnn_r18-c4_synth.py", "bot_r18ibn_synth.py"),
        ("fdps/fdps_r18_synth.py", "bot_r18ibn_synth.py"),
        ("qeeps/qeeps_r18_synth-mini.py", "bot_r18ibn_synth.py"),
        ("inet/inet_r18_synth.py", "bot_r18ibn_synth.py"),
        ("dc_inet/dc_inet_r18_synth.py", "bot_r18ibn_synth.py"),
    ],
)
def test_all_stages_on_the_synthetic_set_start_from_the_weights(name, weights, tmp_path, monkeypatch):
    init_default_scope("mmpersonsearch")
    torch.manual_seed(0)
    source = MODELS.build(Config.fromfile(SYNTH / "reid" / weights).model).state_dict()
    torch.save({"state_dict": source}, tmp_path / "weights.pth")
    monkeypatch.setenv("SYNTH_WEIGHTS", str(tmp_path / "weights.pth"))
    monkeypatch.setenv("OIM_CHECKPOINT", "none")
    torch.manual_seed(1)
    model = MODELS.build(Config.fromfile(SYNTH / name).model)
    model.init_weights()
    own = {key: value for key, value in model.state_dict().items() if key.endswith("conv1.weight")}
    assert len(own) >= 5  # the stem and each block, some of them several times
    for key, value in own.items():
        name_in_source = re.search(r"(layer\d\.\d\.)?conv1\.weight$", key).group()
        assert torch.equal(value, source[f"backbone.{name_in_source}"]), key


@pytest.mark.parametrize(
    ("name", "oim"),
    [
        (
            SYNTH / "inet/inet_r18_synth.py",
            SYNTH / "oim/oim_r18_synth.py",
        ),
        (
            SYNTH / "dc_inet/dc_inet_r18_synth.py",
            SYNTH / "oim/oim_r18_synth.py",
        ),
        (TATTOOS / "inet_r18_tattoo-synth.py", TATTOOS / "oim_r18_tattoo-synth.py"),
        (TATTOOS / "dc_inet_r18_tattoo-synth.py", TATTOOS / "oim_r18_tattoo-synth.py"),
    ],
)
def test_inet_on_synthetic_sets_starts_from_oim(name, oim, tmp_path, monkeypatch):
    init_default_scope("mmpersonsearch")
    torch.manual_seed(0)
    source = MODELS.build(Config.fromfile(oim).model).state_dict()
    torch.save({"state_dict": source}, tmp_path / "oim.pth")
    monkeypatch.setenv("OIM_CHECKPOINT", str(tmp_path / "oim.pth"))
    torch.manual_seed(1)
    cfg = Config.fromfile(name)
    model = MODELS.build(cfg.model)
    model.init_weights()
    load_checkpoint(model, cfg.load_from)
    for key, value in model.state_dict().items():
        if not re.search(r"\.loss_(id|pair)\.|num_batches_tracked$", key):  # I-Net's own losses
            assert torch.equal(value, source[key.replace("part2", "shared_head")]), key


NUM_IMAGES = {"cuhk": 11206, "prw": 5704, "posetrack21": 42861}  # of the training sets
CROPS = {"cuhk": 10_000, "prw": 10_000}  # at least


@pytest.mark.parametrize(
    "path", [path for path in LEAVES if re.search("_(cuhk|prw|posetrack21)", path.stem)], ids=lambda path: path.stem
)
def test_every_milestone_comes_on_any_number_of_gpus(path):
    cfg = Config.fromfile(path)
    numbers = CROPS if "reid" in path.parts else NUM_IMAGES
    (data,) = [key for key in numbers if f"_{key}" in path.stem]
    for gpus in range(1, 9):
        epoch = math.ceil(numbers[data] / (cfg.train_dataloader.batch_size * gpus))
        iterations = cfg.train_cfg.get("max_iters") or cfg.train_cfg.max_epochs * epoch
        for scheduler in cfg.param_scheduler:
            unit = epoch if scheduler.get("by_epoch", True) else 1
            times = scheduler.get("milestones") or [scheduler.begin, scheduler.end - 1]
            assert all(0 <= time * unit < iterations for time in times), (gpus, scheduler)
        for hook in cfg.get("custom_hooks", []):
            if hook.type == "LossWeightScheduleHook":
                unit = epoch if hook.get("by_epoch", True) else 1
                assert all(time * unit < iterations for time, _ in hook.milestones), gpus
