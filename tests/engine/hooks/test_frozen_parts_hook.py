"""KD_reid from a real training's checkpoint to a resumed one."""

import copy
from types import SimpleNamespace

import pytest
import torch
from dataset_writers import write_prw
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmpersonsearch.engine.hooks import FrozenPartsHook
from mmpersonsearch.models.losses import OIMLoss
from mmpersonsearch.utils.config_files import find_config

LUT = "roi_head.reid_head.loss_id.lut.features"
QUEUE = "roi_head.reid_head.loss_id.queue.features"
NUMBERS = [3, 7, 932]  # of the small set


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_prw(tmp_path_factory.mktemp("prw"))


def make_config(name, scenes, work_dir, epochs=2):
    cfg = Config.fromfile(find_config(name))
    cfg.work_dir = str(work_dir)
    cfg.model.roi_head.reid_head.num_ids = len(NUMBERS)
    cfg.model.train_cfg.rcnn.sampler.num = 8
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = str(scenes)
        loader.update(num_workers=0, persistent_workers=False)
    next(step for step in cfg.train_dataloader.dataset.pipeline if step.type == "mmdet.Resize").scale = (80, 48)
    cfg.train_dataloader.batch_size = 5
    cfg.train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=epochs, val_begin=epochs + 1)
    cfg.param_scheduler = []
    cfg.default_hooks.checkpoint = dict(type="CheckpointHook", interval=1, by_epoch=True)
    cfg.log_processor.by_epoch = True
    cfg.experiment_name = f"{work_dir.name}{epochs}"
    return cfg


def run(cfg, *hooks):
    runner = Runner.from_cfg(copy.deepcopy(cfg))
    for hook in hooks:
        runner.register_hook(hook)
    runner.train()
    return runner


class InterruptHook(Hook):
    def before_train_epoch(self, runner):
        if runner.epoch == 1:
            raise InterruptedError


@pytest.fixture(scope="module")
def teacher(scenes, tmp_path_factory):
    """A checkpoint of another kind of model with a LUT: OIM*."""
    work_dir = tmp_path_factory.mktemp("teacher")
    run(make_config("tdn/tdn_r18ibn_synth_oim-star", scenes, work_dir, epochs=1))
    return work_dir / "epoch_1.pth"


def student(scenes, work_dir, teacher):
    cfg = make_config("oim/oim_r18_synth_kd-reid", scenes, work_dir)
    cfg.model.roi_head.reid_head.loss_id.lut_checkpoint = str(teacher)
    return cfg


def read(path):
    return torch.load(path, weights_only=False)


def test_checkpoint_names_the_identities_in_order(teacher):
    assert read(teacher)["meta"]["dataset_meta"]["identities"] == NUMBERS


@pytest.fixture(scope="module")
def whole(scenes, teacher, tmp_path_factory):
    """A student's uninterrupted training."""
    work_dir = tmp_path_factory.mktemp("whole")
    run(student(scenes, work_dir, teacher))
    return work_dir / "epoch_2.pth"


def test_student_keeps_the_teachers_lut_to_the_end(teacher, whole):
    table, weights = read(teacher)["state_dict"][LUT], read(whole)["state_dict"]
    assert table.abs().sum() > 0
    assert torch.equal(weights[LUT], table)
    assert weights[QUEUE].abs().sum() > 0


def test_resumed_student_keeps_it_without_the_teachers_checkpoint(scenes, teacher, whole, tmp_path):
    cfg = student(scenes, tmp_path / "parts", teacher)
    with pytest.raises(InterruptedError):
        run(cfg, InterruptHook())
    cfg.model.roi_head.reid_head.loss_id.lut_checkpoint = str(tmp_path / "moved.pth")
    cfg.resume = True
    cfg.experiment_name += "resumed"
    resumed, expected = run(cfg).model.state_dict(), read(whole)["state_dict"]
    assert [key for key in expected if not torch.equal(expected[key], resumed[key])] == []


def test_students_checkpoint_teaches_the_next_student(teacher, whole):
    oim = OIMLoss(len(NUMBERS), queue_size=3, lut_checkpoint=str(whole))
    FrozenPartsHook().before_train(runner_of(oim, dict(identities=NUMBERS)))
    assert torch.equal(oim.lut.features, read(teacher)["state_dict"][LUT])


def test_other_identities_stop_before_the_first_iteration(scenes, teacher, tmp_path):
    checkpoint = read(teacher)
    checkpoint["meta"]["dataset_meta"]["identities"] = [3, 8, 932]
    torch.save(checkpoint, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="row 1 is number 8 there and number 7 in the training set"):
        run(student(scenes, tmp_path / "refused", tmp_path / "other.pth"))
    assert not list((tmp_path / "refused").glob("*.pth"))


def runner_of(model, metainfo, step=0):
    dataset = SimpleNamespace(metainfo=metainfo)
    return SimpleNamespace(model=model, iter=step, train_dataloader=SimpleNamespace(dataset=dataset))


def test_training_set_without_identities():
    oim = OIMLoss(3, feat_channels=6, lut_checkpoint="teacher.pth")
    with pytest.raises(ValueError, match=r"teacher\.pth: the training set has no metainfo\['identities'\]"):
        FrozenPartsHook().before_train(runner_of(oim, {}))


def test_models_without_a_lut_checkpoint_are_left_alone():
    for model in (OIMLoss(3, feat_channels=6), torch.nn.Linear(2, 2)):
        FrozenPartsHook().before_train(runner_of(model, {}))
