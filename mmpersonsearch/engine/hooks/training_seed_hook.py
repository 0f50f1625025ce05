"""Randomness that does not depend on when training was interrupted."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from mmengine.dataset import worker_init_fn
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner, set_random_seed

from mmpersonsearch.registry import HOOKS


@HOOKS.register_module()
class TrainingSeedHook(Hook):
    """Seed all random generators anew by the run's seed and the iteration: each epoch, or each iteration.

    MMEngine restores weights, optimizer and schedules, but no generator's state, so that a resumed training would draw
    other samples and augmentations than an uninterrupted one.

    With an ``EpochBasedTrainLoop`` generators are seeded at the start of each epoch, those of the workers that load
    data too, which needs ``persistent_workers=False``: they start anew in each epoch. With an ``IterBasedTrainLoop``
    this process is seeded before each batch is fetched; the workers' generators are MMEngine's matter, which goes
    through the batches of before once more when it resumes.
    """

    priority = "VERY_HIGH"

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed, or see to it that each iteration does.

        Raises:
            ValueError: The loader of a loop that counts epochs keeps its workers.
        """
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            loader = runner.train_dataloader
            if loader.persistent_workers:
                raise ValueError("TrainingSeedHook needs train_dataloader.persistent_workers=False")
            loader.worker_init_fn = partial(
                worker_init_fn, num_workers=loader.num_workers, rank=get_rank(), seed=_seed_this_process(runner)
            )
        elif isinstance(runner.train_loop, IterBasedTrainLoop):
            runner.train_loop.dataloader_iterator = _SeededBatches(runner.train_loop.dataloader_iterator, runner)


class _SeededBatches:
    # What MMEngine's loop asks of its iterator; between one iteration and the next fetch a validation may have drawn.

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
