"""Hooks that load, check or set what a model holds."""

import itertools
from collections.abc import Sequence

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.dist import broadcast
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmpersonsearch.registry import HOOKS
from mmpersonsearch.utils.errors import InputError


@HOOKS.register_module()
class BroadcastBuffersHook(Hook):
    """Give rank 0's buffers to all ranks before a validation.

    Each rank's batch norm keeps statistics of its own images, and the checkpoints have rank 0's. Without this hook each
    rank would validate its share of the images with another model, and none of them all with the one that is saved.
    """

    def before_val_epoch(self, runner: Runner) -> None:
        """Broadcast; each rank has to call this."""
        for buffer in runner.model.buffers():
            broadcast(buffer)


@HOOKS.register_module()
class FrozenPartsHook(Hook):
    """Have each part of the model that has a ``load_frozen`` load its frozen weights before the first iteration.

    It gets the whole model, the training set's ``metainfo``, and whether training is resumed. See
    :meth:`TeacherOwner.load_frozen` and :meth:`OIMLoss.load_frozen`; a model without such parts is left alone.
    """

    def before_train(self, runner: Runner) -> None:
        """Load the weights; a part raises where its checkpoint is missing or does not fit."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        for part in model.modules():
            if hasattr(part, "load_frozen"):
                part.load_frozen(model, runner.train_dataloader.dataset.metainfo, resumed=runner.iter > 0)


@HOOKS.register_module()
class IdentityCountCheckHook(Hook):
    """Stop before the first iteration if the model has fewer identities than the training set.

    A model without identities, such as a detector, is left alone.
    """

    def before_train(self, runner: Runner) -> None:
        """Compare ``num_ids`` of each part of the model that has one with the training set's.

        Raises:
            InputError: A part has fewer; the message gives both numbers and the config key.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        parts = {name: part.num_ids for name, part in model.named_modules() if hasattr(part, "num_ids")}
        num_ids = _count_identities(runner.train_dataloader.dataset) if parts else 0
        for name, own in parts.items():
            if own < num_ids:
                raise InputError(
                    f"model.{name}.num_ids is {own}, but the training set has {num_ids} identities: "
                    f"set num_ids={num_ids} there"
                )


def _count_identities(dataset: BaseDataset) -> int:
    if "num_ids" in dataset.metainfo:
        return dataset.metainfo["num_ids"]
    if hasattr(dataset, "pids"):  # MMDetection's ReIDDataset, crops for a teacher
        return len(dataset.pids)
    raise InputError(f"IdentityCountCheckHook: {type(dataset).__name__} has no metainfo['num_ids']")


@HOOKS.register_module()
class LossWeightScheduleHook(Hook):
    """Set an attribute of the model, piecewise linear in the epoch or the iteration.

    TDN's w (equation 4) is ``milestones=[(15, 5.), (25, 1.)]``: 5 before epoch 15, linear to 1 at epoch 25, 1 after.
    The value follows from the epoch alone, so that a resumed training has it again.

    Args:
        path: The attribute, from the model on, e.g. ``'roi_head.reid_head.loss_distill.loss_weight'``.
        milestones: (epoch or iteration, value) pairs, the first rising.
        by_epoch: Whether the milestones count epochs (from 0) or iterations.

    Raises:
        ValueError: Milestones are missing or do not rise; the model has no such attribute.
    """

    def __init__(self, path: str, milestones: Sequence[tuple[int, float]], by_epoch: bool = True) -> None:
        times = [time for time, _ in milestones]
        if not times or any(b <= a for a, b in itertools.pairwise(times)):
            raise ValueError(
                f"LossWeightScheduleHook: milestones must be (time, value) with rising times, got {milestones}"
            )
        self.owner_path, _, self.name = path.rpartition(".")
        self.path = path
        self.times = times
        self.values = [value for _, value in milestones]
        self.by_epoch = by_epoch

    def before_train(self, runner: Runner) -> None:
        """Find the attribute before anything is trained."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        owner = dict(model.named_modules()).get(self.owner_path)
        if owner is None or not hasattr(owner, self.name):
            raise ValueError(f"LossWeightScheduleHook: the model has no {self.path}")
        self.owner = owner

    def _set(self, time: int) -> None:
        setattr(self.owner, self.name, float(np.interp(time, self.times, self.values)))

    def before_train_epoch(self, runner: Runner) -> None:
        """Set the epoch's value."""
        if self.by_epoch:
            self._set(runner.epoch)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Set the iteration's value."""
        if not self.by_epoch:
            self._set(runner.iter)
