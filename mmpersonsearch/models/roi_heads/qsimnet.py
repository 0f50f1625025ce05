"""Similarity network of a query and the boxes of a gallery."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.distributed import mean_over_ranks
from mmpersonsearch.utils.forward_modes import float32, kept_statistics


@MODELS.register_module()
class QSimNet(nn.Module):
    r"""Query-similarity network of QEEPS (Munjal et al., CVPR 2019): whether two embeddings show one person.

    It returns logits :math:`W\,\mathrm{BN}((q - p)^2) + b`, the square taken channel by channel, of different persons
    (column 0) and one (column 1). The softmax is outside, in :meth:`loss` and :meth:`similarity`. All layers start as
    PyTorch's do.

    Args:
        channels: Width of the embeddings.
        loss_weight: Factor of the loss.
    """

    def __init__(self, channels: int = 256, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(channels)
        self.fc = nn.Linear(channels, 2)
        self.loss_weight = loss_weight

    @float32()
    def forward(self, query: Tensor, proposals: Tensor) -> Tensor:
        """Compare embeddings row by row.

        Args:
            query: (n, channels); the model's are L2-normalized. n may be 0.
            proposals: (n, channels).

        Returns:
            (n, 2) logits.
        """
        with kept_statistics(self.bn, len(proposals), least=2):
            return self.fc(self.bn((query - proposals).square()))

    def loss(self, query: Tensor, proposals: Tensor, is_same: Tensor) -> Tensor:
        """Compute the cross entropy: a scalar, mean over the rows (see :func:`mean_over_ranks`).

        Args:
            query: See :meth:`forward`.
            proposals: See :meth:`forward`.
            is_same: (n,) bool.
        """
        summed = F.cross_entropy(self(query, proposals), is_same.long(), reduction="sum")
        return self.loss_weight * summed / mean_over_ranks(torch.tensor(len(is_same), device=summed.device))

    def similarity(self, query: Tensor, proposals: Tensor) -> Tensor:
        """Compute the probability of the same person: (n,) float64, in which those near 1 remain different."""
        return self(query, proposals).double().softmax(dim=1)[:, 1]
