"""Hooks of MMEngine's training loop."""

from .broadcast_buffers_hook import BroadcastBuffersHook
from .frozen_parts_hook import FrozenPartsHook
from .identity_count_check_hook import IdentityCountCheckHook
from .loss_weight_schedule_hook import LossWeightScheduleHook
from .person_search_visualization_hook import PersonSearchVisualizationHook
from .training_seed_hook import TrainingSeedHook

__all__ = [
    "BroadcastBuffersHook",
    "FrozenPartsHook",
    "IdentityCountCheckHook",
    "LossWeightScheduleHook",
    "PersonSearchVisualizationHook",
    "TrainingSeedHook",
]
