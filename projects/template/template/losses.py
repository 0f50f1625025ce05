"""The identity loss of this project."""

import torch.nn.functional as F
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.errors import InputError


@MODELS.register_module()
class TemplateLoss(nn.Module):
    """Cross entropy that is small for persons who are recognized: the mean of ``-(1 - p) ** gamma * log(p)``.

    Args:
        gamma: At least 0; 0 is the cross entropy.
        loss_weight: Factor of the loss.

    Raises:
        InputError: gamma is below 0.
    """

    def __init__(self, gamma: float = 2.0, loss_weight: float = 1.0) -> None:
        super().__init__()
        if not gamma >= 0:
            raise InputError(f"TemplateLoss: gamma must be >= 0, got {gamma}")
        self.gamma = gamma
        self.loss_weight = loss_weight

    def forward(self, scores: Tensor, person_ids: Tensor, avg_factor: Tensor | float | None = None) -> Tensor:
        """Compute the loss.

        Args:
            scores: (K, num_ids) before the softmax.
            person_ids: (K,) int64 in [0, num_ids).
            avg_factor: What the sum is divided by, more than 0; K by default.

        Returns:
            Scalar >= 0; 0 with a graph where K is 0.
        """
        entropy = F.cross_entropy(scores, person_ids, reduction="none")
        losses = (1 - (-entropy).exp()) ** self.gamma * entropy
        return self.loss_weight * losses.sum() / (max(len(losses), 1) if avg_factor is None else avg_factor)
