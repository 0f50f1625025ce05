"""A model that teaches and does not learn."""

from collections.abc import Callable
from typing import Any

from torch import nn

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.checkpoint import load_checkpoint_file, load_strictly


class FrozenTeacher:
    """Wraps a model so that it stays frozen, in eval mode, and out of the student's ``state_dict``.

    It is no ``nn.Module`` on purpose: as a plain object it is not among the student's children. Its owner is a
    :class:`TeacherOwner`; ``FrozenTeacherHook`` loads it. What it teaches is its subclass's matter.

    Args:
        model: Config of the model.
    """

    def __init__(self, model: dict) -> None:
        self.model = MODELS.build(model).eval().requires_grad_(False)
        self.loaded = False

    def load(self, path: str) -> None:
        """Load all weights from a checkpoint, strictly.

        Args:
            path: File or address.

        Raises:
            FileNotFoundError: The file is missing.
            ValueError: Keys are missing, unexpected or of another shape; the message names them.
        """
        load_strictly(self.model, load_checkpoint_file(path), path)
        self.loaded = True

    def check_loaded(self) -> None:
        """Refuse to teach what was drawn at random.

        Raises:
            RuntimeError: No checkpoint was loaded.
        """
        if not self.loaded:
            raise RuntimeError(
                f"the teacher ({type(self.model).__name__}) has no weights: add dict(type='FrozenTeacherHook', "
                "checkpoint=...) to custom_hooks"
            )


class TeacherOwner(nn.Module):
    """Mixin of modules with a ``teacher``: it follows them between devices and dtypes, though it is no child."""

    teacher: FrozenTeacher | None

    def _apply(self, fn: Callable, *args: Any, **kwargs: Any) -> "TeacherOwner":
        if self.teacher is not None:
            self.teacher.model._apply(fn)
        return super()._apply(fn, *args, **kwargs)
