"""Hard example priority losses: HEP (I-Net) and C2HEP (DC-I-Net)."""

from abc import ABCMeta, abstractmethod

import torch.nn.functional as F
from torch import Tensor, nn

from mmpersonsearch.models.memories import ClassCenters
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.distributed import mean_over_ranks
from mmpersonsearch.utils.precision import at_least_like, float32

from .priority_classes import priority_cross_entropy


class PriorityLoss(nn.Module, metaclass=ABCMeta):
    """Softmax over a pool of priority classes, of scores that a subclass gives.

    Args:
        num_ids: C, number of training identities.
        num_pool_classes: Number of classes that a pool is chosen from.
        loss_weight: Factor of the loss.
    """

    def __init__(self, num_ids: int, num_pool_classes: int, loss_weight: float) -> None:
        super().__init__()
        self.num_ids = num_ids
        self.num_pool_classes = num_pool_classes
        self.loss_weight = loss_weight

    @abstractmethod
    def scores(self, feats: Tensor, pool: Tensor) -> Tensor:
        """Compute the (n, T) scores of the pool's classes for (n, feat_channels) embeddings."""

    @float32()
    def forward(self, feats: Tensor, person_ids: Tensor, pool: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            feats: (N, feat_channels) L2-normalized embeddings.
            person_ids: (N,) int64 identities; ``-1`` marks an unlabelled person.
            pool: (T,) int64 different classes, see :func:`select_priority_classes`.

        Returns:
            Scalar, mean over the labelled samples; 0 with a graph where there is none. Under distribution, the mean
            over the ranks is the joint batch's (see :func:`mean_over_ranks`).
        """
        labelled = person_ids >= 0
        scores = self.scores(feats[labelled], pool)
        losses = priority_cross_entropy(scores, person_ids[labelled], pool)
        return self.loss_weight * (losses / mean_over_ranks(labelled.sum()))


@MODELS.register_module()
class HEPLoss(PriorityLoss):
    r"""Hard example priority (HEP) loss of I-Net (Zhang et al., *Tasks Integrated Networks*, equation 5).

    A linear classifier on the embedding, whose softmax is taken over a pool P of classes: :math:`L = -\frac{1}{n}
    \sum_i \sum_{j \in P} 1(y_i = j) \log (e^{s_j^i} / \sum_{t \in P} e^{s_t^i})`. The n samples are those with an
    identity. Of the C + 1 classes the last is the background, which no sample has (its proposals are dropped before):
    it only takes part where it comes into the pool at random.

    Args:
        num_ids: C, number of training identities.
        feat_channels: Width of the embedding.
        loss_weight: Factor of the loss, beta in equation 6.
    """

    def __init__(self, num_ids: int, feat_channels: int = 256, loss_weight: float = 1.0) -> None:
        super().__init__(num_ids, num_ids + 1, loss_weight)
        self.classifier = nn.Linear(feat_channels, self.num_pool_classes)

    def scores(self, feats: Tensor, pool: Tensor) -> Tensor:
        """See :meth:`PriorityLoss.scores`."""
        feats = at_least_like(feats, self.classifier.weight)
        return F.linear(feats, self.classifier.weight[pool].to(feats), self.classifier.bias[pool].to(feats))


@MODELS.register_module()
class C2HEPLoss(PriorityLoss):
    r"""C2HEP loss of DC-I-Net (Zhang et al., *Tasks Integrated Networks*, equations 7 to 9).

    :class:`HEPLoss` with :math:`s_j^i = \lambda d(x_i, c_j)`, the scaled cosine of the embedding and the identity's
    center, in place of a classifier's score. The centers are those from before this batch, without gradient; only
    training mode updates them. The cosine with a center that no sample has reached, which is zero, is 0.

    Args:
        num_ids: Number of training identities.
        feat_channels: Width of the embedding.
        momentum: phi of equation 7.
        scale: lambda of equation 8.
        loss_weight: Factor of the loss, beta in equation 10.
    """

    def __init__(
        self,
        num_ids: int,
        feat_channels: int = 256,
        momentum: float = 0.5,
        scale: float = 10.0,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(num_ids, num_ids, loss_weight)
        self.scale = scale
        self.centers = ClassCenters(num_ids, feat_channels, momentum)

    def scores(self, feats: Tensor, pool: Tensor) -> Tensor:
        """See :meth:`PriorityLoss.scores`."""
        feats = at_least_like(feats, self.centers.features)
        return self.scale * feats @ F.normalize(self.centers.features[pool]).to(feats).t()

    def forward(self, feats: Tensor, person_ids: Tensor, pool: Tensor) -> Tensor:
        """See :meth:`PriorityLoss.forward`; in training mode, update the centers after it."""
        loss = super().forward(feats, person_ids, pool)
        if self.training:
            self.centers.update(at_least_like(feats, self.centers.features), person_ids)
        return loss
