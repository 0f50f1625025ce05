"""Loads the teacher before training."""

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from mmpersonsearch.models.frozen_teacher import FrozenTeacher
from mmpersonsearch.registry import HOOKS


@HOOKS.register_module()
class FrozenTeacherHook(Hook):
    """Load a frozen teacher's weights strictly before the first iteration, so that no random teacher ever teaches.

    Args:
        checkpoint: File or address of the teacher's checkpoint.
    """

    def __init__(self, checkpoint: str) -> None:
        self.checkpoint = checkpoint

    def before_train(self, runner: Runner) -> None:
        """Load the weights.

        Raises:
            FileNotFoundError: The checkpoint is missing.
            ValueError: The model has no teacher; the checkpoint does not fit it; teacher and student normalise images
                differently, so that what the student gets is not what the teacher knows.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        teachers = [m.teacher for m in model.modules() if isinstance(getattr(m, "teacher", None), FrozenTeacher)]
        if not teachers:
            raise ValueError(
                "FrozenTeacherHook: the model has no teacher; give model.roi_head.reid_head a Re-ID model as teacher, "
                "or the model itself a detector (DistilledPersonSearchDetector), or drop the hook"
            )
        for teacher in teachers:
            _check_same_input(model.data_preprocessor, teacher.model.data_preprocessor)
            teacher.load(self.checkpoint)
        print_log(f"Teacher loaded from {self.checkpoint}", logger="current")


def _check_same_input(student: nn.Module, teacher: nn.Module) -> None:
    for key in ("mean", "std"):
        ours, theirs = getattr(student, key, None), getattr(teacher, key, None)
        if ours is None or theirs is None or not torch.equal(ours.flatten().cpu(), theirs.flatten().cpu()):
            raise ValueError(
                f"FrozenTeacherHook: teacher and student must normalise images alike, but data_preprocessor.{key} is "
                f"{theirs if theirs is None else theirs.flatten().tolist()} for the teacher and "
                f"{ours if ours is None else ours.flatten().tolist()} for the student"
            )
