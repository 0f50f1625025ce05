"""Distillation of a Re-ID teacher's features."""

import torch.nn.functional as F
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS


def feature_distillation(student_feats: Tensor, teacher_feats: Tensor) -> Tensor:
    """L_t of TDN (equation 2): mean over persons of ||f_s - f_t||^2 of the L2-normalised features.

    Args:
        student_feats: (K, D), any length.
        teacher_feats: (K, D), any length; no gradient flows to it.

    Returns:
        Scalar in [0, 4]; 0 with a graph where K is 0.

    Raises:
        ValueError: The shapes differ.
    """
    if student_feats.shape != teacher_feats.shape:
        raise ValueError(
            f"feature distillation: student_feats are {tuple(student_feats.shape)} but "
            f"teacher_feats {tuple(teacher_feats.shape)}; the teacher's feature width must be the student's"
        )
    difference = F.normalize(student_feats) - F.normalize(teacher_feats.detach())
    return difference.square().sum() / max(len(student_feats), 1)


@MODELS.register_module()
class FeatureDistillationLoss(nn.Module):
    """L_t of TDN (equation 2), times ``loss_weight`` (w of equation 3).

    Args:
        loss_weight: Factor of the loss; ``LossWeightScheduleHook`` changes it during training.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, student_feats: Tensor, teacher_feats: Tensor) -> Tensor:
        """See :func:`feature_distillation`."""
        return self.loss_weight * feature_distillation(student_feats, teacher_feats)
