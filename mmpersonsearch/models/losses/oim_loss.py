"""Online Instance Matching (OIM) loss, plain and balanced."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmpersonsearch.models.memories import CircularQueue, LookupTable
from mmpersonsearch.models.memories.lut_checkpoint import read_lut
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.distributed import mean_over_ranks
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.forward_modes import at_least_like, float32


@MODELS.register_module()
class OIMLoss(BaseModule):
    r"""Online Instance Matching loss (Xiao et al., CVPR 2017, equations 1 to 4).

    A labelled sample x of identity t is classified among the identities' LUT rows v_j and the unlabelled persons'
    CQ entries u_k: :math:`L = -\log p_t`, :math:`p_i = \exp(s\, v_i^T x) / (\sum_j \exp(s\, v_j^T x) + \sum_k
    \exp(s\, u_k^T x))`, s = 1 / tau. Empty (zero) rows take part. Unlabelled samples enter the CQ and give no loss.
    The logits use the memories from before the batch; only training mode updates them.

    With ``lut_checkpoint`` and ``freeze_lut`` the LUT stays a trained model's (KD_reid of Munjal et al., BMVC 2019,
    section 4.2); ``FrozenPartsHook`` loads it before training.

    Args:
        num_ids: Number of training identities.
        feat_channels: Width of the embedding.
        queue_size: Entries of the CQ.
        momentum: Momentum of the LUT, in [0, 1].
        scale: s, the inverse temperature.
        loss_weight: Factor of the loss.
        lut_checkpoint: File or URL of a checkpoint trained on the same set; see :func:`read_lut`.
        freeze_lut: Do not update the LUT.
    """

    def __init__(
        self,
        num_ids: int,
        feat_channels: int = 256,
        queue_size: int = 5000,
        momentum: float = 0.5,
        scale: float = 30.0,
        loss_weight: float = 1.0,
        lut_checkpoint: str | None = None,
        freeze_lut: bool = False,
    ) -> None:
        super().__init__()
        self.num_ids = num_ids
        self.scale = scale
        self.loss_weight = loss_weight
        self.lut_checkpoint = lut_checkpoint
        self.lut_loaded = False
        self.freeze_lut = freeze_lut
        self.lut = LookupTable(num_ids, feat_channels, momentum)
        self.queue = CircularQueue(queue_size, feat_channels)

    @torch.no_grad()
    def load_frozen(self, student: nn.Module, metainfo: Mapping[str, Any], resumed: bool) -> None:
        """Read the LUT of ``lut_checkpoint`` by :func:`read_lut`; a resumed training has it in its own checkpoint."""
        if self.lut_checkpoint is not None:
            if not resumed:
                self.lut.features.copy_(read_lut(self.lut_checkpoint, metainfo, self.lut.features.shape))
            self.lut_loaded = True

    @float32()
    def forward(self, feats: Tensor, person_ids: Tensor) -> Tensor:
        """Compute the loss and, in training mode, enter the batch into the memories.

        Args:
            feats: (N, feat_channels) L2-normalized embeddings.
            person_ids: (N,) int64 identities; ``-1`` marks an unlabelled person.

        Returns:
            Scalar, mean over the labelled samples; 0 with a graph where there is none. In training under
            distribution, the mean over the ranks is that over the labelled samples of all (see
            :func:`mean_over_ranks`).

        Raises:
            InputError: An identity is not below ``num_ids``.
            RuntimeError: In training, ``lut_checkpoint`` is not loaded, or a frozen LUT is empty.
        """
        if self.training and not self.lut_loaded:
            self._check_lut()
        feats = at_least_like(feats, self.lut.features)
        labelled = person_ids >= 0
        if bool((person_ids >= self.num_ids).any()):
            raise InputError(f"OIMLoss: person_id {int(person_ids.max())}, but num_ids is {self.num_ids}")
        # The concatenation copies what backward needs and the update below overwrites.
        memory = torch.cat([self.lut.features, self.queue.features]).to(feats)
        logits = self.scale * feats[labelled] @ memory.t()
        loss = self.sum_of_losses(logits, person_ids[labelled])
        number = labelled.sum()
        # Ranks may test different numbers of batches.
        loss = loss / (mean_over_ranks(number) if self.training else number.clamp(min=1))
        if self.training:
            if not self.freeze_lut:
                self.lut.update(feats, person_ids)
            self.queue.update(feats[~labelled])
        return self.loss_weight * loss

    def sum_of_losses(self, logits: Tensor, person_ids: Tensor) -> Tensor:
        """Sum up the losses of (n,) labelled samples from (n, num_ids + queue_size) scaled similarities; n may be 0."""
        return F.cross_entropy(logits, person_ids, reduction="sum")

    def _check_lut(self) -> None:
        if self.lut_checkpoint is not None:
            raise RuntimeError(
                f"OIMLoss: lut_checkpoint {self.lut_checkpoint} is not loaded: "
                "default_hooks needs frozen_parts=dict(type='FrozenPartsHook')"
            )
        if self.freeze_lut and not bool(self.lut.features.any()):
            raise RuntimeError(
                "OIMLoss: freeze_lut keeps an empty LUT: give lut_checkpoint, or a load_from that holds a LUT"
            )
        self.lut_loaded = True


@torch.no_grad()
def center_density(centers: Tensor, alpha: float | None = None) -> Tensor:
    r"""Density of identities' centers: :math:`w = \sum_{ij} \exp(v_i^T v_j + \alpha)` (Yang et al., equation 10).

    Args:
        centers: (L, D) L2-normalized or zero; zero rows take part.
        alpha: Scales w; -2 log L by default, which makes the sum a mean.

    Returns:
        Scalar without a graph; by default in [1, e], and 1 for empty centers.
    """
    mean = (centers @ centers.t()).exp_().mean()
    return mean if alpha is None else mean * len(centers) ** 2 * math.exp(alpha)


def negative_category_loss(similarities: Tensor, person_ids: Tensor, sigma: float, beta: float) -> Tensor:
    r"""Mean similarity of samples to their hard negative centers (Yang et al., equation 9).

    For a sample x of identity t, center j is hard if j is not t and :math:`v_j^T x / v_t^T x > \sigma`. Each gives
    :math:`\max(v_j^T x - \beta, 0)`; those below beta count in the divisor. Where :math:`v_t^T x = 0`, as for an
    identity without a center yet, all centers of positive similarity are hard; where it is negative, those with
    :math:`v_j^T x < \sigma v_t^T x`, which add nothing for beta >= 0.

    Args:
        similarities: (n, L) of samples and centers.
        person_ids: (n,) int64, t of each sample.
        sigma: Least fraction of the positive similarity.
        beta: Similarity below which a negative gives no loss.

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
    Both see the LUT from before the batch, w without gradient.

    The paper gives neither sigma nor beta nor alpha: the defaults are this package's. It shows tau = 1/30 (figure 3),
    ``scale`` 30.

    Args:
        args: See :class:`OIMLoss`, as are ``kwargs``.
        sigma: See :func:`negative_category_loss`.
        beta: See :func:`negative_category_loss`.
        alpha: See :func:`center_density`.
        with_w: Whether L_oim is multiplied by w.
        with_neg: Whether L_neg is added.
        kwargs: Others.
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
