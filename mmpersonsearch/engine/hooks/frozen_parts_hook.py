"""Loads what is trained elsewhere and stays as it is: teachers, and the LUT of another model."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmpersonsearch.registry import HOOKS


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
