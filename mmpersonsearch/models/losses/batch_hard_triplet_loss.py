"""Triplet loss on the hardest pairs of a batch, a baseline of DC-I-Net's."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.distributed import gather_batch

from .olp_loss import positive_pairs


@MODELS.register_module()
class BatchHardTripletLoss(nn.Module):
    r"""Triplet loss with batch-hard mining (Hermans et al., 2017): :math:`\max(d_{ap} - d_{an} + margin, 0)`.

    For batches of a scene or two, which ``mmdet.TripletLoss`` is not: there may be but one identity, and unlabelled
    persons are negatives of all and anchors of none. Each labelled sample with a positive and a negative is an anchor;
    p is its farthest positive and n its nearest negative by Euclidean distance d.

    Args:
        margin: By how much the negative is to be farther.
        loss_weight: Factor of the loss.
    """

    def __init__(self, margin: float = 0.3, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.margin = margin
        self.loss_weight = loss_weight

    def forward(self, feats: Tensor, person_ids: Tensor) -> Tensor:
        """Compute the loss of the joint batch of all ranks.

        Args:
            feats: (N, D) L2-normalised embeddings.
            person_ids: (N,) int64 identities; ``-1`` marks an unlabelled person.

        Returns:
            Scalar, mean over the anchors; 0 with a graph where there is none.
        """
        feats, person_ids = gather_batch(feats, person_ids)
        positive, negative = positive_pairs(person_ids), person_ids[:, None] != person_ids
        anchors = positive.any(dim=1) & negative.any(dim=1)
        if not anchors.any():
            return feats.sum() * 0
        # Not by the product of feats: it would cost the digits of small distances.
        dist = torch.cdist(feats[anchors], feats, compute_mode="donot_use_mm_for_euclid_dist")
        farthest = dist.masked_fill(~positive[anchors], -torch.inf).amax(dim=1)
        nearest = dist.masked_fill(~negative[anchors], torch.inf).amin(dim=1)
        return self.loss_weight * F.relu(farthest - nearest + self.margin).mean()
