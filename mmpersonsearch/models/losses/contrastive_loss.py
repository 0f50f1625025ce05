"""Contrastive loss, a baseline of DC-I-Net's."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.distributed import gather_batch


@MODELS.register_module()
class ContrastiveLoss(nn.Module):
    r"""Contrastive loss on the pairs of a batch (Hadsell et al., CVPR 2006, as in Caffe).

    :math:`L = \frac{1}{2N} \sum y d^2 + (1 - y) \max(margin - d, 0)^2` over the N pairs of samples of which at least
    one is labelled, d their Euclidean distance, y whether they are one person. An unlabelled person is another than
    any labelled one.

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
