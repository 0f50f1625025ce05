"""Hooks of MMEngine's training loop."""

from .frozen_teacher_hook import FrozenTeacherHook
from .identity_count_check_hook import IdentityCountCheckHook
from .loss_weight_schedule_hook import LossWeightScheduleHook

__all__ = ["FrozenTeacherHook", "IdentityCountCheckHook", "LossWeightScheduleHook"]
