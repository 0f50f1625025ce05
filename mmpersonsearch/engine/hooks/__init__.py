"""Hooks of MMEngine's training loop."""

from .model_hooks import BroadcastBuffersHook, FrozenPartsHook, IdentityCountCheckHook, LossWeightScheduleHook
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
