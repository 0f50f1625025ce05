"""Losses: functions of tensors, and modules that hold the memories they need."""

from .feature_distillation_loss import FeatureDistillationLoss, feature_distillation
from .oim_loss import OIMLoss
from .weighted_regularized_triplet_loss import WeightedRegularizedTripletLoss, weighted_regularized_triplet

__all__ = [
    "FeatureDistillationLoss",
    "OIMLoss",
    "WeightedRegularizedTripletLoss",
    "feature_distillation",
    "weighted_regularized_triplet",
]
