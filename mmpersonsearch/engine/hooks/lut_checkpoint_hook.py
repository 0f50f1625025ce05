"""Loads a trained model's LUT before training."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmpersonsearch.models.losses import OIMLoss
from mmpersonsearch.registry import HOOKS


@HOOKS.register_module()
class LUTCheckpointHook(Hook):
    """Load the LUT of each :class:`OIMLoss` that has a ``lut_checkpoint`` before the first iteration.

    A resumed training goes on with the LUT of its own checkpoint and does not read ``lut_checkpoint`` again.
    """

    def before_train(self, runner: Runner) -> None:
        """Load the LUTs.

        Raises:
            FileNotFoundError: A checkpoint is missing.
            ValueError: A checkpoint does not fit, see :meth:`OIMLoss.load_lut`; the training set does not name its
                identities.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        for loss in model.modules():
            if not isinstance(loss, OIMLoss) or loss.lut_checkpoint is None:
                continue
            if runner.iter > 0:
                loss.lut_loaded = True
            else:
                loss.load_lut(_identities_of(runner))


def _identities_of(runner: Runner) -> list[int]:
    dataset = runner.train_dataloader.dataset
    if "identities" not in dataset.metainfo:
        raise ValueError(
            f"LUTCheckpointHook: {type(dataset).__name__} has no metainfo['identities'], "
            "the numbers of its identities in the order of person_id"
        )
    return dataset.metainfo["identities"]
