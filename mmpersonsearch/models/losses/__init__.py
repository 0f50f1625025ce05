"""Losses: functions of tensors, and modules that hold the memories they need."""

from .feature_distillation_loss import FeatureDistillationLoss, feature_distillation
from .oim_loss import OIMLoss

__all__ = ["FeatureDistillationLoss", "OIMLoss", "feature_distillation"]
