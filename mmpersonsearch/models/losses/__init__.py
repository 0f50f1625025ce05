"""Losses: functions of tensors, and modules that hold the memories they need."""

from .distillation_losses import (
    FeatureDistillationLoss,
    HintLoss,
    TeacherBoundedRegressionLoss,
    feature_distillation,
    teacher_bounded_regression,
)
from .hep_losses import C2HEPLoss, HEPLoss, priority_cross_entropy, select_priority_classes
from .oim_loss import BalancedOIMLoss, OIMLoss, center_density, negative_category_loss
from .olp_loss import OLPLoss
from .pair_losses import (
    BatchHardTripletLoss,
    ContrastiveLoss,
    WeightedRegularizedTripletLoss,
    weighted_regularized_triplet,
)

__all__ = [
    "BalancedOIMLoss",
    "BatchHardTripletLoss",
    "C2HEPLoss",
    "ContrastiveLoss",
    "FeatureDistillationLoss",
    "HEPLoss",
    "HintLoss",
    "OIMLoss",
    "OLPLoss",
    "TeacherBoundedRegressionLoss",
    "WeightedRegularizedTripletLoss",
    "center_density",
    "feature_distillation",
    "negative_category_loss",
    "priority_cross_entropy",
    "select_priority_classes",
    "teacher_bounded_regression",
    "weighted_regularized_triplet",
]
