"""Hard example priority loss (I-Net)."""

import torch.nn.functional as F
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.distributed import mean_over_ranks
from mmpersonsearch.utils.precision import at_least_like, float32

from .priority_classes import priority_cross_entropy


@MODELS.register_module()
class HEPLoss(nn.Module):
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
        super().__init__()
        self.num_ids = num_ids
        self.num_pool_classes = num_ids + 1
        self.loss_weight = loss_weight
        self.classifier = nn.Linear(feat_channels, self.num_pool_classes)

    @float32()
    def forward(self, feats: Tensor, person_ids: Tensor, pool: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            feats: (N, feat_channels) L2-normalised embeddings.
            person_ids: (N,) int64 identities; ``-1`` marks an unlabelled person.
            pool: (T,) int64 different classes, see :func:`select_priority_classes`.

        Returns:
            Scalar, mean over the labelled samples; 0 with a graph where there is none. Under distribution, the mean
            over the ranks is the joint batch's (see :func:`mean_over_ranks`).
        """
        labelled = person_ids >= 0
        feats = at_least_like(feats[labelled], self.classifier.weight)
        weight, bias = self.classifier.weight[pool].to(feats), self.classifier.bias[pool].to(feats)
        scores = F.linear(feats, weight, bias)
        loss = priority_cross_entropy(scores, person_ids[labelled], pool) / mean_over_ranks(labelled.sum())
        return self.loss_weight * loss
