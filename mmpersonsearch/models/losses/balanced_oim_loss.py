"""Balanced Online Instance Matching (BOIM) loss."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmpersonsearch.registry import MODELS

from .oim_loss import OIMLoss


@torch.no_grad()
def center_density(centers: Tensor, alpha: float | None = None) -> Tensor:
    r"""How close identities' centers lie: :math:`w = \sum_{ij} \exp(v_i^T v_j + \alpha)` (Yang et al., equation 10).

    Empty (zero) rows take part. The (L, L) product is the only large intermediate.

    Args:
        centers: (L, D) L2-normalized or zero.
        alpha: Which range w has; -2 log L by default, which makes the sum a mean, whatever the number of identities.

    Returns:
        Scalar without a graph; by default in [1, e], and 1 for empty centers.
    """
    mean = (centers @ centers.t()).exp_().mean()
    return mean if alpha is None else mean * len(centers) ** 2 * math.exp(alpha)


def negative_category_loss(similarities: Tensor, person_ids: Tensor, sigma: float, beta: float) -> Tensor:
    r"""Mean similarity of samples to their hard negative centers (Yang et al., equation 9).

    For a sample x of identity t, center j is one if j is not t and :math:`v_j^T x / v_t^T x > \sigma`. Each gives
    :math:`\max(v_j^T x - \beta, 0)`; those below beta count in the divisor. The quotient is taken as it is written:
    where :math:`v_t^T x = 0`, as for an identity without a center yet, all centers with a positive similarity are
    hard; where it is negative, only those with :math:`v_j^T x < \sigma v_t^T x`, which add nothing for beta >= 0.

    Args:
        similarities: (n, L) of samples and centers.
        person_ids: (n,) int64, t of each sample.
        sigma: Least share of the positive similarity.
        beta: Lower bound of a negative similarity that is worth a loss.

    Returns:
        (n,) losses, 0 for a sample without hard negatives.
    """
    positive = person_ids[:, None]
    values = similarities.detach()
    is_hard = (values / values.gather(1, positive) > sigma).scatter(1, positive, False)
    return (F.relu(similarities - beta) * is_hard).sum(dim=1) / is_hard.sum(dim=1).clamp(min=1)


@MODELS.register_module()
class BalancedOIMLoss(OIMLoss):
    r"""Balanced OIM loss (Yang et al., *Multi-task Feature Decomposition*, equations 9 to 11).

    :math:`L = w\,L_{oim} + L_{neg}`, both means over the labelled samples: w (:func:`center_density`) grows with the
    density of the LUT's rows, L_neg (:func:`negative_category_loss`) pushes samples away from other identities' rows.
    LUT and CQ, and when they are updated, are :class:`OIMLoss`'s; w and L_neg see the LUT as it was before the batch,
    w once a call and without gradient.

    The paper gives neither sigma nor beta nor alpha. The defaults are this package's: a negative is hard from half the
    positive similarity on, and not pushed below 0.2; w is a mean. The paper shows tau = 1/30 (figure 3), ``scale`` 30.

    Args:
        args: See :class:`OIMLoss`.
        sigma: Least share of the positive similarity that makes a negative hard.
        beta: Similarity below which a negative gives no loss.
        alpha: Shifts the range of w, see :func:`center_density`; -2 log ``num_ids`` by default.
        with_w: Whether L_oim is multiplied by w.
        with_neg: Whether L_neg is added.
        kwargs: See :class:`OIMLoss`.
    """

    def __init__(
        self,
        *args: Any,
        sigma: float = 0.5,
        beta: float = 0.2,
        alpha: float | None = None,
        with_w: bool = True,
        with_neg: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.sigma = sigma
        self.beta = beta
        self.alpha = alpha
        self.with_w = with_w
        self.with_neg = with_neg

    def sum_of_losses(self, logits: Tensor, person_ids: Tensor) -> Tensor:
        """See :meth:`OIMLoss.sum_of_losses`."""
        loss = super().sum_of_losses(logits, person_ids)
        if self.with_w:
            loss = center_density(self.lut.features, self.alpha) * loss
        if self.with_neg:
            similarities = logits[:, : self.num_ids] / self.scale
            loss = loss + negative_category_loss(similarities, person_ids, self.sigma, self.beta).sum()
        return loss
