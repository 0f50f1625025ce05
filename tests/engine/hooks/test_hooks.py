from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from tiny_models import CONFIGS, NUM_IDS, build_model
from torch.utils.data import DataLoader

from mmpersonsearch.engine.hooks import (
    FrozenPartsHook,
    IdentityCountCheckHook,
    LossWeightScheduleHook,
    TrainingSeedHook,
)

PATH = "roi_head.reid_head.loss_distill.loss_weight"


def runner_of(model, num_ids=NUM_IDS, epoch=0):
    dataset = SimpleNamespace(metainfo=dict(num_ids=num_ids))
    return SimpleNamespace(model=model, epoch=epoch, iter=epoch, train_dataloader=SimpleNamespace(dataset=dataset))


def paper_weight(epoch):
    """TDN, equation 4."""
    if epoch < 15:
        return 5.0
    return 11 - 0.4 * epoch if epoch < 25 else 1.0


def test_schedule_is_the_papers():
    init_default_scope("mmpersonsearch")
    cfg = Config.fromfile(CONFIGS / "tdn/tdn_r50ibn_prw.py").loss_weight_schedule
    cfg.pop("type")
    hook, model = LossWeightScheduleHook(**cfg), build_model()
    hook.before_train(runner_of(model))
    for epoch in range(41):
        hook.before_train_epoch(runner_of(model, epoch=epoch))
        assert model.roi_head.reid_head.loss_distill.loss_weight == pytest.approx(paper_weight(epoch))


def test_schedule_by_iteration():
    hook, model = LossWeightScheduleHook(PATH, [(10, 2.0), (20, 4.0)], by_epoch=False), build_model()
    hook.before_train(runner_of(model))
    values = []
    for step in (0, 10, 15, 20, 99):
        hook.before_train_iter(runner_of(model, epoch=step), 0)
        values.append(model.roi_head.reid_head.loss_distill.loss_weight)
    assert values == [2.0, 2.0, 3.0, 4.0, 4.0]


@pytest.mark.parametrize("milestones", [[], [(5, 1.0), (5, 2.0)], [(5, 1.0), (3, 2.0)]])
def test_bad_milestones(milestones):
    with pytest.raises(ValueError, match="milestones"):
        LossWeightScheduleHook(PATH, milestones)


def test_schedule_of_nothing():
    hook = LossWeightScheduleHook("roi_head.reid_head.loss_distil.loss_weight", [(0, 1.0)])
    with pytest.raises(ValueError, match=r"the model has no roi_head\.reid_head\.loss_distil\.loss_weight"):
        hook.before_train(runner_of(build_model()))


def teacher_weights():
    return build_model().roi_head.reid_head.teacher.model.state_dict()


def load_teacher(tmp_path, weights, model=None):
    torch.save(dict(state_dict=weights), tmp_path / "teacher.pth")
    model = model or build_model()
    teacher = model.roi_head.reid_head.teacher
    teacher.checkpoint = str(tmp_path / "teacher.pth")
    FrozenPartsHook().before_train(runner_of(model))
    return teacher


def test_teacher_is_loaded(tmp_path):
    weights = {k: torch.rand_like(v) if v.is_floating_point() else v for k, v in teacher_weights().items()}
    teacher = load_teacher(tmp_path, weights)
    assert teacher.loaded
    assert all(torch.equal(weights[k], v) for k, v in teacher.model.state_dict().items())


def test_partial_teacher(tmp_path):
    weights = teacher_weights()
    del weights["backbone.layer1.0.conv1.weight"]
    with pytest.raises(ValueError, match=r"^teacher: .*teacher\.pth .* backbone\.layer1\.0\.conv1\.weight is missing"):
        load_teacher(tmp_path, weights)


def test_teacher_with_other_keys(tmp_path):
    with pytest.raises(ValueError, match="extra is unexpected"):
        load_teacher(tmp_path, dict(teacher_weights(), extra=torch.zeros(1)))


def test_teacher_of_other_shape(tmp_path):
    weights = dict(teacher_weights(), **{"head.classifier.weight": torch.zeros(3, 512)})
    with pytest.raises(ValueError, match=r"head\.classifier\.weight has shape \(3, 512\), expected \(12, 512\)"):
        load_teacher(tmp_path, weights)


def test_missing_teacher():
    model = build_model()
    model.roi_head.reid_head.teacher.checkpoint = "nowhere.pth"
    with pytest.raises(FileNotFoundError, match="nowhere"):
        FrozenPartsHook().before_train(runner_of(model))


def test_model_without_teacher_is_left_alone():
    model = build_model("_wo-teacher")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    FrozenPartsHook().before_train(runner_of(model))
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_a_resumed_training_needs_its_teacher_too(tmp_path):
    model, weights = build_model(), {key: value + 1 for key, value in teacher_weights().items()}
    teacher = model.roi_head.reid_head.teacher
    torch.save(weights, tmp_path / "teacher.pth")
    teacher.checkpoint, teacher.loaded = str(tmp_path / "teacher.pth"), False
    FrozenPartsHook().before_train(runner_of(model, epoch=3))
    assert teacher.loaded
    assert all(torch.equal(weights[key], value) for key, value in teacher.model.state_dict().items())


def test_several_teachers_get_each_its_own_checkpoint(tmp_path):
    students = [build_model(), build_model()]
    both = torch.nn.ModuleList(students)
    both.data_preprocessor = students[0].data_preprocessor
    for i, student in enumerate(students):
        teacher = student.roi_head.reid_head.teacher
        teacher.checkpoint = str(tmp_path / f"{i}.pth")
        weights = {key: torch.full_like(value, i) for key, value in teacher.model.state_dict().items()}
        torch.save(weights, teacher.checkpoint)
    FrozenPartsHook().before_train(runner_of(both))
    for i, student in enumerate(students):
        weights = student.roi_head.reid_head.teacher.model.state_dict()
        assert all((value == i).all() for value in weights.values())


@pytest.mark.parametrize(("name", "value"), [("mean", torch.zeros(3, 1, 1)), ("_channel_conversion", False)])
def test_teacher_of_other_pixels(tmp_path, name, value):
    model = build_model()
    setattr(model.data_preprocessor, name, value)
    with pytest.raises(ValueError, match=r"student\.data_preprocessor and teacher\.data_preprocessor must normalize"):
        load_teacher(tmp_path, teacher_weights(), model)


def test_teacher_that_was_never_loaded():
    model = build_model()
    model.roi_head.reid_head.teacher.loaded = False
    with pytest.raises(RuntimeError, match=r"is not loaded from .*FrozenPartsHook"):
        model.roi_head.reid_head.teacher(torch.zeros(1, 3, 128, 64))


def test_identity_count():
    hook = IdentityCountCheckHook()
    model = build_model("_oim-star")
    hook.before_train(runner_of(model, NUM_IDS))
    hook.before_train(runner_of(model, NUM_IDS - 1))
    message = rf"model\.roi_head\.reid_head\.num_ids is {NUM_IDS}, but the training set has {NUM_IDS + 1} identities"
    with pytest.raises(ValueError, match=message):
        hook.before_train(runner_of(model, NUM_IDS + 1))


def test_identity_count_of_a_model_without_identities():
    runner = runner_of(torch.nn.Linear(2, 2))
    runner.train_dataloader.dataset = SimpleNamespace(metainfo={})  # nor has the training set any
    IdentityCountCheckHook().before_train(runner)


def test_identity_count_of_crops():
    crops = SimpleNamespace(metainfo={}, pids=range(NUM_IDS + 3))
    runner = runner_of(build_model("_baseline"))
    runner.train_dataloader.dataset = crops
    with pytest.raises(ValueError, match=f"{NUM_IDS + 3} identities"):
        IdentityCountCheckHook().before_train(runner)


def draws(epoch):
    loader = DataLoader(range(4), num_workers=2, collate_fn=lambda items: np.random.rand())
    loop = object.__new__(EpochBasedTrainLoop)
    runner = SimpleNamespace(train_loop=loop, train_dataloader=loader, seed=5, iter=10 * epoch)
    TrainingSeedHook().before_train_epoch(runner)
    return np.random.rand(), torch.rand(1).item(), *loader


def test_each_epoch_has_its_own_randomness_in_every_process():
    torch.rand(3)
    assert draws(1) == draws(1)
    first, second = draws(1), draws(2)
    assert len(set(first[2:4] + second[2:4])) == 4  # the two workers of both epochs
    assert first[:2] != second[:2]


def test_each_iteration_has_its_own_randomness_whatever_was_drawn_before():
    loop = object.__new__(IterBasedTrainLoop)
    runner = SimpleNamespace(train_loop=loop, seed=5, iter=0)

    def draws():
        loop.dataloader_iterator = (np.random.rand() for _ in range(3))
        TrainingSeedHook().before_train_epoch(runner)
        for runner.iter in range(3):
            yield next(loop.dataloader_iterator), torch.rand(1).item()

    first = list(draws())
    torch.rand(3)  # as a validation does
    assert list(draws()) == first
    assert len(set(first)) == 3


def test_kept_workers_are_refused():
    loader = DataLoader(range(4), num_workers=1, persistent_workers=True)
    runner = SimpleNamespace(train_loop=object.__new__(EpochBasedTrainLoop), train_dataloader=loader, seed=5, iter=0)
    with pytest.raises(ValueError, match="persistent_workers=False"):
        TrainingSeedHook().before_train_epoch(runner)
