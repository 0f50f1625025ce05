"""Hooks of MMEngine's training loop."""

from .epoch_seed_hook import EpochSeedHook
from .frozen_teacher_hook import FrozenTeacherHook
from .identity_count_check_hook import IdentityCountCheckHook
from .loss_weight_schedule_hook import LossWeightScheduleHook
from .lut_checkpoint_hook import LUTCheckpointHook

__all__ = [
    "EpochSeedHook",
    "FrozenTeacherHook",
    "IdentityCountCheckHook",
    "LUTCheckpointHook",
    "LossWeightScheduleHook",
]
