"""A loss weight that changes during training."""

import itertools
from collections.abc import Sequence

import numpy as np
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmpersonsearch.registry import HOOKS


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
