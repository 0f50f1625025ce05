"""Compares the identities of model and data."""

from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmpersonsearch.registry import HOOKS
from mmpersonsearch.utils.errors import InputError


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
