"""Hooks of MMEngine's training loop."""

import itertools
import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from mmdet.engine.hooks import DetVisualizationHook
from mmdet.structures import DetDataSample
from mmengine.dataset import BaseDataset, worker_init_fn
from mmengine.dist import all_gather_object, all_reduce, broadcast, get_rank, is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner, set_random_seed
from torch import nn

from mmpersonsearch.registry import HOOKS
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.scene_files import names_below

from .num_ids import count_identities


def _unwrapped(runner: Runner) -> nn.Module:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


@HOOKS.register_module()
class BroadcastBuffersHook(Hook):
    """Broadcast rank 0's buffers before a validation.

    Each rank's batch norms keep statistics of its own images, but the checkpoint, which is validated, has rank 0's.
    """

    def before_val_epoch(self, runner: Runner) -> None:
        """Broadcast; each rank has to call this."""
        for buffer in runner.model.buffers():
            broadcast(buffer)


@HOOKS.register_module()
class FrozenPartsHook(Hook):
    """Load the frozen weights of the model's parts before the first iteration.

    It calls each part's ``load_frozen``, if any, with the whole model, the training set's ``metainfo`` and whether
    training is resumed; see :meth:`TeacherOwner.load_frozen` and :meth:`OIMLoss.load_frozen`.
    """

    def before_train(self, runner: Runner) -> None:
        """Load the weights; a part raises if its checkpoint is missing or does not fit."""
        model = _unwrapped(runner)
        for part in model.modules():
            if hasattr(part, "load_frozen"):
                part.load_frozen(model, runner.train_dataloader.dataset.metainfo, resumed=runner.iter > 0)


@HOOKS.register_module()
class IdentityCountCheckHook(Hook):
    """Stop before the first iteration if a part of the model has fewer identities than the training set."""

    def before_train(self, runner: Runner) -> None:
        """Compare the parts' ``num_ids``, if any, with the training set's.

        Raises:
            InputError: A part has fewer; the message gives both numbers and the config key.
        """
        counts = identity_counts(_unwrapped(runner))
        num_ids = count_identities(runner.train_dataloader.dataset) if counts else 0
        for name, own in counts.items():
            if own < num_ids:
                raise InputError(
                    f"model.{name}.num_ids is {own}, but the training set has {num_ids} identities: "
                    f"set num_ids={num_ids} there, or None, which takes it from the training set"
                )


def identity_counts(model: nn.Module) -> dict[str, int]:
    """Return ``num_ids`` of the model's parts that have one, by name."""
    return {name: part.num_ids for name, part in model.named_modules() if hasattr(part, "num_ids")}


@HOOKS.register_module()
class LossWeightScheduleHook(Hook):
    """Set an attribute of the model, piecewise linear in the epoch or the iteration.

    TDN's w (equation 4) is ``milestones=[(15, 5.), (25, 1.)]``: 5 before epoch 15, linear to 1 at epoch 25, 1 after.

    Args:
        path: The attribute's path in the model, e.g. ``'roi_head.reid_head.loss_distill.loss_weight'``.
        milestones: (epoch or iteration, value) pairs in rising order.
        by_epoch: Whether the milestones count epochs (from 0) or iterations.

    Raises:
        InputError: Milestones are missing or do not rise; the model has no such attribute.
    """

    def __init__(self, path: str, milestones: Sequence[tuple[int, float]], by_epoch: bool = True) -> None:
        times = [time for time, _ in milestones]
        if not times or any(b <= a for a, b in itertools.pairwise(times)):
            raise InputError(
                f"LossWeightScheduleHook: milestones must be (time, value) with rising times, got {milestones}"
            )
        self.owner_path, _, self.name = path.rpartition(".")
        self.path = path
        self.times = times
        self.values = [value for _, value in milestones]
        self.by_epoch = by_epoch

    def before_train(self, runner: Runner) -> None:
        """Find the attribute before anything is trained."""
        owner = dict(_unwrapped(runner).named_modules()).get(self.owner_path)
        if owner is None or not hasattr(owner, self.name):
            raise InputError(f"LossWeightScheduleHook: the model has no {self.path}")
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


@HOOKS.register_module()
class IdentityAccuracyHook(Hook):
    """Log the identity classification accuracy on true boxes in training (I-Net's paper, section 6.1.1).

    Before an iteration, the labelled persons of its images are embedded at their true boxes and classified among all
    training identities by the identity loss's scores (``identity_scores`` of the Re-ID head). The accuracy is the
    fraction of correct ones, over all ranks: scalar ``identity/accuracy`` in [0, 1]; without labelled persons it keeps
    its value. LUT and centers are those from before the batch. The model is in testing mode and nothing changes.

    Args:
        interval: Iterations, of an epoch or of all, from one measurement to the next, which costs a forward pass;
            best the logger's, which logs the latest.
    """

    def __init__(self, interval: int = 50) -> None:
        self.interval = interval

    def before_train(self, runner: Runner) -> None:
        """Raise ``InputError`` if the model has no Re-ID head with identities."""
        if not hasattr(self._head(runner), "identity_scores"):
            raise InputError(
                f"IdentityAccuracyHook: {type(_unwrapped(runner)).__name__} has no roi_head.reid_head that tells "
                "identities"
            )

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Measure; each rank has to call this."""
        if not self.every_n_inner_iters(batch_idx, self.interval):
            return
        model = _unwrapped(runner)
        model.eval()
        counts = self._count(model, self._head(runner), data_batch)
        model.train()
        all_reduce(counts)
        correct, number = counts.tolist()
        if number:
            runner.message_hub.update_scalar("train/identity/accuracy", correct / number)

    @torch.no_grad()
    def _count(self, model: nn.Module, head: nn.Module, data_batch: dict) -> torch.Tensor:
        """(2,) numbers of labelled persons that are classified correctly, and of all."""
        data = model.data_preprocessor(data_batch)
        persons = [sample.gt_instances[sample.gt_instances.person_ids >= 0] for sample in data["data_samples"]]
        person_ids = torch.cat([one.person_ids for one in persons])
        feats = torch.cat(model.embed(data["inputs"], [one.bboxes for one in persons]))
        correct = (head.identity_scores(feats).argmax(dim=1) == person_ids).sum()
        return torch.stack([correct, torch.full_like(correct, len(person_ids))])

    @staticmethod
    def _head(runner: Runner) -> nn.Module | None:
        return getattr(getattr(_unwrapped(runner), "roi_head", None), "reid_head", None)


@HOOKS.register_module()
class TrainingSeedHook(Hook):
    """Seed all random generators from the run's seed and the iteration, each epoch or each iteration.

    MMEngine does not restore generators: without this hook a resumed training draws other samples and augmentations.
    With an ``EpochBasedTrainLoop`` each epoch seeds this process and the data loader's workers, which needs
    ``persistent_workers=False``. With an ``IterBasedTrainLoop`` each iteration seeds this process; MMEngine repeats the
    earlier batches when it resumes, which restores the workers.
    """

    priority = "VERY_HIGH"

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed, or have each iteration seed; raise InputError if an epoch-based loop's loader keeps its workers."""
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            loader = runner.train_dataloader
            if loader.persistent_workers:
                raise InputError("TrainingSeedHook needs train_dataloader.persistent_workers=False")
            loader.worker_init_fn = partial(
                worker_init_fn, num_workers=loader.num_workers, rank=get_rank(), seed=_seed_this_process(runner)
            )
        elif isinstance(runner.train_loop, IterBasedTrainLoop):
            runner.train_loop.dataloader_iterator = _SeededBatches(runner.train_loop.dataloader_iterator, runner)


class _SeededBatches:
    # Iterator of MMEngine's loop. It seeds before each fetch, since a validation may have drawn after the iteration.

    def __init__(self, batches: Iterator, runner: Runner) -> None:
        self.batches = batches
        self.runner = runner

    def __next__(self) -> Any:
        _seed_this_process(self.runner)
        return next(self.batches)

    def skip_iter(self, number: int) -> None:
        self.batches.skip_iter(number)


def _seed_this_process(runner: Runner) -> int:
    seed = (runner.seed + 1009 * runner.iter) % 2**32  # apart by more than there are workers
    set_random_seed(seed, diff_rank_seed=True)
    return seed


@HOOKS.register_module()
class PersonSearchVisualizationHook(DetVisualizationHook):
    """MMDetection's drawing hook, for the images of all ranks.

    MMEngine's visualizers draw on rank 0 only, which gets the other ranks' samples. ``DefaultSampler`` deals images out
    to the ranks in turn, and repeats the first ones to fill up the last round; the repetitions are not drawn. Pictures
    of images in several folders are in folders of the same names.
    """

    _names: dict[str, str] | None = None  # of the test images, by path

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: Sequence[DetDataSample]
    ) -> None:
        """Draw a batch of each rank on rank 0; each rank has to call this."""
        if not self.draw:
            return
        ranks = all_gather_object([sample.cpu() for sample in outputs])
        if is_main_process():
            samples = [sample for samples in zip(*ranks) for sample in samples]
            dataset = runner.test_dataloader.dataset
            if self._names is None:
                self._names = scene_names(dataset)
            out_dir = self.test_out_dir
            for sample in samples[: len(dataset) - self._test_index]:
                if out_dir is not None:
                    name = self._names.get(sample.get("img_path"), "")
                    self.test_out_dir = os.path.join(out_dir, os.path.dirname(name))
                super().after_test_iter(runner, batch_idx, data_batch, [sample])
            self.test_out_dir = out_dir


def scene_names(dataset: BaseDataset) -> dict[str, str]:
    """Name a data set's images, by their path, as :func:`names_below` does."""
    return names_below(dataset.get_data_info(i)["img_path"] for i in range(len(dataset)))
