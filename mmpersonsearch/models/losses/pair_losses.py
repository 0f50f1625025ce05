"""Losses on distances within a batch: contrastive, batch-hard and weighted regularized triplets."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.distributed import gather_batch

from .olp_loss import positive_pairs


@MODELS.register_module()
class ContrastiveLoss(nn.Module):
    r"""Contrastive loss on the pairs of a batch (Hadsell et al., CVPR 2006, as in Caffe), a baseline of DC-I-Net's.

    :math:`L = \frac{1}{2N} \sum y d^2 + (1 - y) \max(margin - d, 0)^2` over the N pairs of samples of which at least
    one is labelled, d their Euclidean distance, y whether they are one person.

    Args:
        margin: Distance beyond which different persons give no loss.
        loss_weight: Factor of the loss.
    """

    def __init__(self, margin: float = 1.0, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.margin = margin
        self.loss_weight = loss_weight

    def forward(self, feats: Tensor, person_ids: Tensor) -> Tensor:
        """Compute the loss of the joint batch of all ranks.

        Args:
            feats: (N, D) L2-normalized embeddings.
            person_ids: (N,) int64 identities; ``-1`` marks an unlabelled person.

        Returns:
            Scalar; 0 with a graph where there is no pair.
        """
        feats, person_ids = gather_batch(feats, person_ids)
        labelled = person_ids >= 0
        one, other = (labelled[:, None] | labelled).triu(1).nonzero(as_tuple=True)
        dist = F.pairwise_distance(feats[one], feats[other], eps=0)
        is_same = person_ids[one] == person_ids[other]
        losses = torch.where(is_same, dist, F.relu(self.margin - dist)).square()
        return self.loss_weight * losses.sum() / (2 * max(len(losses), 1))


def weighted_regularized_triplet(feats: Tensor, person_ids: Tensor) -> Tensor:
    r"""WRT of AGW (Ye et al., TPAMI 2021, section 4).

    For anchor i with its positives :math:`P_i` (the other samples of its identity), negatives :math:`N_i` and
    Euclidean distances d: :math:`L_i = \log(1 + \exp(\sum_{j \in P_i} w^p_{ij} d_{ij} - \sum_{k \in N_i} w^n_{ik}
    d_{ik}))`, with :math:`w^p_{ij}` the softmax of :math:`d_{ij}` over :math:`P_i` and :math:`w^n_{ik}` that of
    :math:`-d_{ik}` over :math:`N_i`. There is no margin.

    The authors' code differs from the equation: it counts the anchor among its positives, and its softmax lets the
    negatives' weights vanish at large distances.

    Args:
        feats: (N, D) features.
        person_ids: (N,) identities, all labelled.

    Returns:
        Scalar, mean over the anchors that have a positive and a negative; 0 with a graph where there is none.
    """
    # A matrix product would lose the digits of small distances.
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
    """:func:`weighted_regularized_triplet` times ``loss_weight``."""

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, feats: Tensor, person_ids: Tensor) -> Tensor:
        """See :func:`weighted_regularized_triplet`."""
        return self.loss_weight * weighted_regularized_triplet(feats, person_ids)


@MODELS.register_module()
class BatchHardTripletLoss(nn.Module):
    r"""Triplet loss with batch-hard mining (Hermans et al., 2017): :math:`\max(d_{ap} - d_{an} + margin, 0)`.

    Other than ``mmdet.TripletLoss`` it takes batches of one scene: there may be but one identity, and unlabelled
    persons are negatives only. Each labelled sample with a positive and a negative is an anchor; p is its farthest
    positive and n its nearest negative by Euclidean distance d.

    Args:
        margin: By how much the negative must be farther.
        loss_weight: Factor of the loss.
    """

    def __init__(self, margin: float = 0.3, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.margin = margin
        self.loss_weight = loss_weight

    def forward(self, feats: Tensor, person_ids: Tensor) -> Tensor:
        """Compute the mean over the anchors; see :meth:`ContrastiveLoss.forward`."""
        feats, person_ids = gather_batch(feats, person_ids)
        positive, negative = positive_pairs(person_ids), person_ids[:, None] != person_ids
        anchors = positive.any(dim=1) & negative.any(dim=1)
        if not anchors.any():
            return feats.sum() * 0
        # See weighted_regularized_triplet.
        dist = torch.cdist(feats[anchors], feats, compute_mode="donot_use_mm_for_euclid_dist")
        farthest = dist.masked_fill(~positive[anchors], -torch.inf).amax(dim=1)
        nearest = dist.masked_fill(~negative[anchors], torch.inf).amin(dim=1)
        return self.loss_weight * F.relu(farthest - nearest + self.margin).mean()
