"""Distillation of a Re-ID teacher's features."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.distributed import mean_over_ranks


def feature_distillation(
    student_feats: Tensor, teacher_feats: Tensor, avg_factor: Tensor | float | None = None
) -> Tensor:
    """L_t of TDN (equation 2): mean over persons of ||f_s - f_t||^2 of the L2-normalized features.

    Args:
        student_feats: (K, D), any length.
        teacher_feats: (K, D), any length; no gradient flows to it.
        avg_factor: What the sum is divided by, more than 0; K by default.

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
    return difference.square().sum() / (max(len(student_feats), 1) if avg_factor is None else avg_factor)


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
        """Compute the loss; see :func:`feature_distillation`.

        Under distribution, the mean over the ranks is the mean over the persons of all (see :func:`mean_over_ranks`);
        each rank has to call this.
        """
        number = mean_over_ranks(torch.tensor(len(student_feats), device=student_feats.device))
        return self.loss_weight * feature_distillation(student_feats, teacher_feats, number)
