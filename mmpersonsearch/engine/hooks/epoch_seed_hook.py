"""Randomness that does not depend on when training was interrupted."""

from functools import partial

from mmengine.dataset import worker_init_fn
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner, set_random_seed

from mmpersonsearch.registry import HOOKS


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seed all random generators anew at the start of each epoch, by the run's seed and the iteration.

    MMEngine restores weights, optimiser and schedules, but no generator's state, so that a resumed training would draw
    other samples and augmentations than an uninterrupted one. The workers that load data are seeded too, which needs
    ``persistent_workers=False``: they start anew in each epoch. A loop that counts iterations is left alone.
    """

    priority = "VERY_HIGH"

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed this process and, through the loader, the workers that it is about to start.

        Raises:
            ValueError: The loader keeps its workers.
        """
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            return
        loader = runner.train_dataloader
        if loader.persistent_workers:
            raise ValueError("EpochSeedHook needs train_dataloader.persistent_workers=False")
        seed = (runner.seed + 1009 * runner.iter) % 2**32  # apart by more than there are workers
        set_random_seed(seed, diff_rank_seed=True)
        loader.worker_init_fn = partial(worker_init_fn, num_workers=loader.num_workers, rank=get_rank(), seed=seed)
