"""Class centre guided hard example priority loss (DC-I-Net)."""

import torch.nn.functional as F
from torch import Tensor, nn

from mmpersonsearch.models.memories import ClassCenters
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.distributed import mean_over_ranks
from mmpersonsearch.utils.precision import at_least_like, float32

from .priority_classes import priority_cross_entropy


@MODELS.register_module()
class C2HEPLoss(nn.Module):
    r"""C2HEP loss of DC-I-Net (Zhang et al., *Tasks Integrated Networks*, equations 7 to 9).

    :class:`HEPLoss` with :math:`s_j^i = \lambda d(x_i, c_j)`, the scaled cosine of the embedding and the identity's
    centre, in place of a classifier's score. The centres are those from before this batch, without gradient; only
    training mode updates them. The cosine with a centre that no sample has reached, which is zero, is 0.

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
        super().__init__()
        self.num_ids = num_ids
        self.num_pool_classes = num_ids
        self.scale = scale
        self.loss_weight = loss_weight
        self.centers = ClassCenters(num_ids, feat_channels, momentum)

    @float32()
    def forward(self, feats: Tensor, person_ids: Tensor, pool: Tensor) -> Tensor:
        """Compute the loss and, in training mode, update the centres.

        Args:
            feats: See :meth:`HEPLoss.forward`.
            person_ids: See :meth:`HEPLoss.forward`.
            pool: See :meth:`HEPLoss.forward`.

        Returns:
            See :meth:`HEPLoss.forward`.
        """
        labelled = person_ids >= 0
        feats = at_least_like(feats, self.centers.features)
        scores = self.scale * feats[labelled] @ F.normalize(self.centers.features[pool]).to(feats).t()
        loss = priority_cross_entropy(scores, person_ids[labelled], pool) / mean_over_ranks(labelled.sum())
        if self.training:
            self.centers.update(feats, person_ids)
        return self.loss_weight * loss
