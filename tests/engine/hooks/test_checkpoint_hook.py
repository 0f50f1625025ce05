"""The checkpoint hook: what is there at any moment, and what a resumed training validates."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

from mmpersonsearch.engine.checkpoint_hook import CheckpointHook, _RemovesLater, _validation_is_due
from mmpersonsearch.registry import HOOKS
from mmpersonsearch.utils.errors import InputError


class Runner:
    """What the hook asks of a runner; it saves by the hook's own backend."""

    def __init__(self, work_dir):
        self.work_dir, self.model, self.iter, self.epoch = str(work_dir), torch.nn.Linear(2, 2), 0, 0
        self.infos, self.val_loop, self.seen = {}, None, []
        self.logger = SimpleNamespace(info=lambda text: None, warning=lambda text: None)
        self.message_hub = SimpleNamespace(
            runtime_info=self.infos, update_info=self.infos.__setitem__, get_info=self.infos.get
        )

    def save_checkpoint(self, out_dir, filename, *args, backend_args=None, **kwargs):
        self.seen.append(sorted(os.listdir(out_dir)))
        Path(out_dir, filename).write_bytes(b"whole")


@pytest.fixture
def runner(tmp_path):
    return Runner(tmp_path)


def test_the_name_in_configs_gives_this_hook():
    assert HOOKS.get("CheckpointHook") is CheckpointHook is not MMEngineCheckpointHook


def test_the_one_before_stays_until_the_next_is_there(runner, tmp_path):
    hook = CheckpointHook(interval=1, by_epoch=False, max_keep_ckpts=1)
    hook.before_train(runner)
    for runner.iter in range(3):
        hook.after_train_iter(runner, runner.iter)
        name = f"iter_{runner.iter + 1}.pth"
        assert sorted(os.listdir(tmp_path)) == [name, "last_checkpoint"]
        assert Path((tmp_path / "last_checkpoint").read_text()) == tmp_path / name
    assert runner.seen == [[], ["iter_1.pth", "last_checkpoint"], ["iter_2.pth", "last_checkpoint"]]
    assert runner.infos["keep_ckpt_ids"] == [3]


def test_the_best_one_stays_until_the_next_is_there(runner, tmp_path):
    """The last time it is validated again, with another result."""
    hook = CheckpointHook(interval=-1, by_epoch=False, save_best="mAP", save_last=False)
    hook.before_train(runner)
    for runner.iter, value in (
        (1, 0.5),
        (2, 0.4),
        (3, 0.6),
        (3, 0.7),
    ):
        hook.after_val_epoch(runner, dict(mAP=value))
    assert runner.seen == [[], ["best_mAP_iter_1.pth"], ["best_mAP_iter_3.pth"]]
    assert os.listdir(tmp_path) == ["best_mAP_iter_3.pth"]


def test_what_a_killed_process_left_is_removed(runner, tmp_path):
    dead = 2**22 + 1  # beyond the numbers of processes
    names = [f".iter_7.pth.{dead}", f".last_checkpoint.{dead}", f".iter_7.pth.{os.getpid()}", f".other.json.{dead}"]
    for name in names:
        (tmp_path / name).touch()
    CheckpointHook(interval=1, by_epoch=False).before_train(runner)
    assert sorted(os.listdir(tmp_path)) == sorted(names[2:])


def test_weights_that_are_not_finite_are_not_saved(runner, tmp_path):
    hook = CheckpointHook(interval=1, by_epoch=False)
    hook.before_train(runner)
    runner.model.weight.data[0, 1] = float("nan")
    with pytest.raises(InputError, match=r"^iter_1\.pth is not saved: weights are not finite, weight$"):
        hook.after_train_iter(runner, 0)
    assert os.listdir(tmp_path) == []


def test_folders_are_removed_as_such(tmp_path):
    """Some training engines' checkpoints are folders."""
    hook = CheckpointHook(interval=1)
    runner = Runner(tmp_path)
    hook.before_train(runner)
    (tmp_path / "epoch_1.pth").mkdir()
    (tmp_path / "epoch_2.pth").touch()
    for name in ("epoch_1.pth", "epoch_2.pth", "epoch_3.pth"):
        hook.file_backend.remove(str(tmp_path / name))
    assert isinstance(hook.file_backend, _RemovesLater) and len(os.listdir(tmp_path)) == 2
    hook.file_backend.finish(keep=set())
    assert os.listdir(tmp_path) == []


def loop_of(kind, done, end, **kwargs):
    loop = object.__new__(kind)
    loop._epoch, loop._iter, loop._max_epochs, loop._max_iters = done, done, end, end
    loop.dynamic_milestones, loop.dynamic_intervals = [0], [kwargs.get("val_interval", 1)]
    loop.val_begin, loop.val_interval = kwargs.get("val_begin", 1), kwargs.get("val_interval", 1)
    return loop


@pytest.mark.parametrize("kind", [EpochBasedTrainLoop, IterBasedTrainLoop])
@pytest.mark.parametrize(
    ("done", "kwargs", "due"),
    [
        (0, {}, False),
        (1, {}, True),
        (3, dict(val_interval=2), False),
        (4, dict(val_interval=2), True),
        (5, dict(val_interval=2), True),  # the last
        (4, dict(val_begin=5), False),
    ],
)
def test_validation_is_due_where_the_loop_would_have_done_it(kind, done, kwargs, due):
    runner = SimpleNamespace(train_loop=loop_of(kind, done, 5, **kwargs), iter=done, epoch=done, val_loop=object())
    assert _validation_is_due(runner) == due
    runner.val_loop = None
    assert not _validation_is_due(runner)


@pytest.mark.parametrize("save_best", [None, "mAP"])
def test_a_resumed_training_validates_again_for_the_best_one(save_best, runner):
    ran = []
    runner.iter = 2
    runner.train_loop, runner.val_loop = loop_of(IterBasedTrainLoop, 2, 5), SimpleNamespace(run=lambda: ran.append(1))
    CheckpointHook(interval=1, by_epoch=False, save_best=save_best).before_train(runner)
    assert len(ran) == (save_best is not None)
