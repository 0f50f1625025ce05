"""Weighted regularised triplet loss (AGW)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS


def weighted_regularized_triplet(feats: Tensor, person_ids: Tensor) -> Tensor:
    r"""WRT of AGW (Ye et al., TPAMI 2021, section 4).

    For anchor i with its positives :math:`P_i` (the other samples of its identity), negatives :math:`N_i` and
    Euclidean distances d: :math:`L_i = \log(1 + \exp(\sum_{j \in P_i} w^p_{ij} d_{ij} - \sum_{k \in N_i} w^n_{ik}
    d_{ik}))`, with :math:`w^p_{ij}` the softmax of :math:`d_{ij}` over :math:`P_i` and :math:`w^n_{ik}` that of
    :math:`-d_{ik}` over :math:`N_i`. There is no margin.

    The authors' code differs from the equation: it counts the anchor among its positives, at distance 0, and its
    softmax adds 1e-6 to a sum that is scaled by masked zeros, so that the negatives' weights vanish where distances are
    large, and with them what pushes negatives away.

    Args:
        feats: (N, D) features.
        person_ids: (N,) identities, all labelled.

    Returns:
        Scalar, mean over the anchors that have a positive and a negative; 0 with a graph where there is none.
    """
    # Not by the product of feats: it would cost the digits of small distances.
    dist = torch.cdist(feats, feats, compute_mode="donot_use_mm_for_euclid_dist")
    same = person_ids[:, None] == person_ids[None, :]
    positive = same & ~torch.eye(len(feats), dtype=torch.bool, device=feats.device)
    anchors = positive.any(dim=1) & ~same.all(dim=1)
    dist, positive, negative = dist[anchors], positive[anchors], ~same[anchors]
    positive_weights = dist.masked_fill(~positive, -torch.inf).softmax(dim=1)
    negative_weights = (-dist).masked_fill(~negative, -torch.inf).softmax(dim=1)
    difference = ((positive_weights - negative_weights) * dist).sum(dim=1)
    return F.softplus(difference).sum() / max(len(difference), 1)


@MODELS.register_module()
class WeightedRegularizedTripletLoss(nn.Module):
    """WRT of AGW, times ``loss_weight``; see :func:`weighted_regularized_triplet`.

    Args:
        loss_weight: Factor of the loss.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, feats: Tensor, person_ids: Tensor) -> Tensor:
        """See :func:`weighted_regularized_triplet`."""
        return self.loss_weight * weighted_regularized_triplet(feats, person_ids)
