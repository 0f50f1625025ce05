"""Loads the teacher before training."""

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmpersonsearch.models.teachers.frozen_teacher import FrozenTeacher
from mmpersonsearch.models.teachers.same_pixels import check_same_pixels
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
                differently or take their channels in another order, so that what the student gets is not what the
                teacher knows.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        teachers = [m.teacher for m in model.modules() if isinstance(getattr(m, "teacher", None), FrozenTeacher)]
        if not teachers:
            raise ValueError(
                "FrozenTeacherHook: the model has no teacher; give model.roi_head.reid_head a Re-ID model as teacher, "
                "or the model itself a detector (DistilledPersonSearchDetector), or drop the hook"
            )
        for teacher in teachers:
            seen_by = dict(student=model.data_preprocessor, teacher=teacher.model.data_preprocessor)
            check_same_pixels("FrozenTeacherHook", **seen_by)
            teacher.load(self.checkpoint)
        print_log(f"Teacher loaded from {self.checkpoint}", logger="current")
