"""Losses: functions of tensors, and modules that hold the memories they need."""

from .balanced_oim_loss import BalancedOIMLoss, center_density, negative_category_loss
from .contrastive_loss import ContrastiveLoss
from .feature_distillation_loss import FeatureDistillationLoss, feature_distillation
from .hep_losses import C2HEPLoss, HEPLoss, priority_cross_entropy, select_priority_classes
from .hint_loss import HintLoss
from .oim_loss import OIMLoss
from .olp_loss import OLPLoss
from .teacher_bounded_regression_loss import TeacherBoundedRegressionLoss, teacher_bounded_regression
from .triplet_losses import BatchHardTripletLoss, WeightedRegularizedTripletLoss, weighted_regularized_triplet

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
