"""Losses: functions of tensors, and modules that hold the memories they need."""

from .feature_distillation_loss import FeatureDistillationLoss, feature_distillation
from .hint_loss import HintLoss
from .oim_loss import OIMLoss
from .soft_cross_entropy_loss import SoftCrossEntropyLoss, soft_cross_entropy
from .teacher_bounded_regression_loss import TeacherBoundedRegressionLoss, teacher_bounded_regression
from .weighted_regularized_triplet_loss import WeightedRegularizedTripletLoss, weighted_regularized_triplet

__all__ = [
    "FeatureDistillationLoss",
    "HintLoss",
    "OIMLoss",
    "SoftCrossEntropyLoss",
    "TeacherBoundedRegressionLoss",
    "WeightedRegularizedTripletLoss",
    "feature_distillation",
    "soft_cross_entropy",
    "teacher_bounded_regression",
    "weighted_regularized_triplet",
]
