"""The whole path on a small set: train, stop, resume, test."""

import copy
import multiprocessing

import pytest
import torch
from dataset_writers import write_prw
from mmengine.config import Config
from mmengine.hooks import Hook
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_models import NUM_IDS, build_model, read_config

from mmpersonsearch.engine.console_runner import ConsoleRunner
from mmpersonsearch.utils.config_files import find_config


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_prw(tmp_path_factory.mktemp("prw"))


@pytest.fixture(scope="module")
def teacher_checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("teacher") / "teacher.pth"
    torch.save(dict(state_dict=build_model().roi_head.reid_head.teacher.model.state_dict()), path)
    return str(path)


def shrink(cfg, scenes, work_dir):
    cfg.work_dir = str(work_dir)
    cfg.model.train_cfg.rcnn.sampler.num = 16
    cfg.model.test_cfg.rcnn.max_per_img = 5
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = str(scenes)
        loader.num_workers = 0
        loader.persistent_workers = False
        next(step for step in loader.dataset.pipeline if step.type == "mmdet.Resize").scale = (160, 96)
    return cfg


def make_config(variant, scenes, work_dir, teacher_checkpoint, epochs=3):
    cfg = shrink(read_config(variant), scenes, work_dir)
    cfg.train_dataloader.batch_size = 3
    cfg.train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=epochs, val_begin=epochs + 1)
    cfg.param_scheduler = [dict(type="MultiStepLR", by_epoch=True, milestones=[1, 2], gamma=0.5)]
    cfg.default_hooks.checkpoint = dict(type="CheckpointHook", interval=1, by_epoch=True)
    cfg.log_processor.by_epoch = True
    cfg.randomness = dict(seed=3, deterministic=True)
    if "teacher" in cfg.model.roi_head.reid_head:
        cfg.model.roi_head.reid_head.teacher.checkpoint = teacher_checkpoint
    for hook in cfg.get("custom_hooks", []):
        if hook.type == "LossWeightScheduleHook":
            hook.update(milestones=[(0, 5.0), (2, 1.0)], by_epoch=True)
    cfg.experiment_name = f"{work_dir.name}{epochs}"
    return cfg


def run(cfg, *hooks):
    runner = ConsoleRunner.from_cfg(copy.deepcopy(cfg))
    for hook in hooks:
        runner.register_hook(hook)
    children = multiprocessing.active_children()
    runner.train()
    assert set(multiprocessing.active_children()) <= set(children)
    return runner


class Interrupted(Exception):
    pass


class InterruptHook(Hook):
    """Breaks training off at the start of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def before_train_epoch(self, runner):
        if runner.epoch == self.epoch:
            raise Interrupted


def same(one, other):
    assert one.keys() == other.keys()
    return [key for key in one if not torch.equal(one[key], other[key])]


@pytest.mark.parametrize(("variant", "stop"), [("", 2), ("_oim-star", 1)])
def test_resumed_equals_uninterrupted(variant, stop, scenes, teacher_checkpoint, tmp_path):
    whole = run(make_config(variant, scenes, tmp_path / f"whole{variant}", teacher_checkpoint))
    cfg = make_config(variant, scenes, tmp_path / f"parts{variant}{stop}", teacher_checkpoint)
    with pytest.raises(Interrupted):
        run(cfg, InterruptHook(stop))
    cfg.resume = True
    cfg.experiment_name += "resumed"
    resumed = run(cfg)
    assert resumed.epoch == 3
    assert same(whole.model.state_dict(), resumed.model.state_dict()) == []
    assert whole.optim_wrapper.get_lr() == resumed.optim_wrapper.get_lr()
    if variant == "_oim-star":
        assert resumed.model.state_dict()["roi_head.reid_head.loss_id.lut.features"].abs().sum() > 0
        return
    head = resumed.model.roi_head.reid_head
    assert head.loss_distill.loss_weight == whole.model.roi_head.reid_head.loss_distill.loss_weight == 1.0
    # The teacher is unchanged and stays out of the checkpoint.
    assert same(torch.load(teacher_checkpoint)["state_dict"], head.teacher.model.state_dict()) == []
    saved = torch.load(tmp_path / f"parts{variant}{stop}/epoch_3.pth", weights_only=False)["state_dict"]
    assert not any("teacher" in key for key in saved)
    assert saved.keys() == resumed.model.state_dict().keys()


@pytest.mark.parametrize(("config", "num_workers"), [("oim/oim_r18_synth.py", 0), ("dc_inet/dc_inet_r18_synth.py", 2)])
def test_resumed_equals_uninterrupted_by_iterations(config, num_workers, scenes, tmp_path, monkeypatch):
    """With the config's own loop; validation draws random numbers, too."""
    monkeypatch.setenv("SYNTH_WEIGHTS", "none")
    monkeypatch.setenv("OIM_CHECKPOINT", "none")
    cfg = shrink(Config.fromfile(find_config(config)), scenes, tmp_path / "whole")
    cfg.train_dataloader.update(batch_size=2, num_workers=num_workers, persistent_workers=num_workers > 0)
    cfg.train_cfg.update(max_iters=2, val_interval=1)
    cfg.default_hooks.checkpoint.interval = 1
    cfg.randomness = dict(seed=3, deterministic=True)
    cfg.experiment_name = f"{config}{num_workers}"
    whole = run(cfg)
    cfg.work_dir = str(tmp_path / "parts")
    cfg.load_from, cfg.resume = str(tmp_path / "whole/iter_1.pth"), True
    cfg.experiment_name += "resumed"
    resumed = run(cfg)
    assert resumed.iter == 2
    assert same(whole.model.state_dict(), resumed.model.state_dict()) == []


def test_best_checkpoint_and_tensorboard_go_by_the_metrics_names(scenes, teacher_checkpoint, tmp_path):
    cfg = make_config("_baseline", scenes, tmp_path / "best", teacher_checkpoint, epochs=2)
    cfg.train_cfg.val_begin = 1
    cfg.default_hooks.checkpoint.save_best = ["person_search/mAP", "person_search/rcp/mAP", "detection/ap"]
    cfg.default_hooks.checkpoint.rule = "greater"
    cfg.visualizer.vis_backends = [dict(type="LocalVisBackend"), dict(type="TensorboardVisBackend")]
    cfg.visualizer.name = "best"  # MMEngine keeps one visualizer of a name in a process
    # An untrained detector is sure of nothing.
    cfg.model.test_cfg.rcnn.score_thr = cfg.val_evaluator.det_thr = 0.0
    runner = run(cfg)
    for name in ("person_search_mAP", "person_search_rcp_mAP", "detection_ap"):
        assert len(list((tmp_path / "best").rglob(f"best_{name}_epoch_*.pth"))) == 1
    events = EventAccumulator(str(next((tmp_path / "best").rglob("events.out.tfevents*")).parent)).Reload()
    logged = {name: event.value for name in events.Tags()["scalars"] for event in events.Scalars(name)}
    for name in (
        "person_search/mAP",
        "person_search/top-1",
        "person_search/rcp/mAP",
        "detection/ap",
        "detection/recall",
    ):
        assert 0 <= logged[name] <= 1
    best = runner.message_hub.get_info("best_score_person_search/mAP")
    assert best == pytest.approx(max(event.value for event in events.Scalars("person_search/mAP")), rel=1e-5)


def test_too_few_identities_stop_before_the_first_iteration(scenes, teacher_checkpoint, tmp_path):
    cfg = make_config("_baseline", scenes, tmp_path / "few", teacher_checkpoint)
    cfg.model.roi_head.reid_head.num_ids = 2
    with pytest.raises(ValueError, match=r"num_ids is 2, but the training set has 3 identities"):
        run(cfg)
    assert NUM_IDS > 3


def test_missing_teacher_stops_before_the_first_iteration(scenes, tmp_path):
    cfg = make_config("", scenes, tmp_path / "missing", str(tmp_path / "nobody.pth"))
    with pytest.raises(FileNotFoundError, match="nobody"):
        run(cfg)
    assert not list((tmp_path / "missing").glob("*.pth"))
