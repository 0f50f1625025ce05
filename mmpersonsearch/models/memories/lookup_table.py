"""One running feature for each labelled identity: LUT, and class centers."""

import torch
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.distributed import gather_samples
from mmpersonsearch.utils.errors import InputError


def occurrence_numbers(person_ids: Tensor) -> Tensor:
    """Count the earlier samples of the same identity: (N,) int64, e.g. ``[4, 7, 4, 4] -> [0, 0, 1, 2]``."""
    order = person_ids.argsort(stable=True)
    _, counts = person_ids[order].unique_consecutive(return_counts=True)
    starts = (counts.cumsum(0) - counts).repeat_interleave(counts)
    numbers = torch.empty_like(order)
    numbers[order] = torch.arange(len(order), device=order.device) - starts
    return numbers


@MODELS.register_module()
class LookupTable(nn.Module):
    """Lookup table (LUT) of the labelled identities (Xiao et al., CVPR 2017, section 3.3).

    A sample x of identity y changes its row to normalize(m * row + (1 - m) * x), sample by sample in order. Which
    samples enter: see :class:`CircularQueue`.

    Args:
        num_ids: Number of identities (rows).
        feat_channels: Width of a feature.
        momentum: m, in [0, 1].

    Attributes:
        features: (num_ids, feat_channels) float32 buffer, zero at the start.
    """

    def __init__(self, num_ids: int, feat_channels: int, momentum: float = 0.5) -> None:
        super().__init__()
        if not 0 <= momentum <= 1:
            raise InputError(f"{type(self).__name__}: momentum must be in [0, 1], got {momentum}")
        self.num_ids = num_ids
        self.momentum = momentum
        self.register_buffer("features", torch.zeros(num_ids, feat_channels))

    @torch.no_grad()
    def update(self, feats: Tensor, person_ids: Tensor) -> None:
        """Enter labelled samples.

        Args:
            feats: (N, feat_channels) L2-normalized features of this rank.
            person_ids: (N,) int64; ``-1`` (unlabelled) is skipped.

        Raises:
            InputError: An identity is not below ``num_ids``.
        """
        entering = (person_ids >= 0) & feats.isfinite().all(dim=1)
        feats = gather_samples(feats[entering].to(self.features))
        person_ids = gather_samples(person_ids[entering])
        if len(person_ids) == 0:
            return
        if int(person_ids.max()) >= self.num_ids:
            raise InputError(f"{type(self).__name__}: person_id {int(person_ids.max())}, but num_ids is {self.num_ids}")
        self._enter(feats, *person_ids.unique(return_inverse=True, return_counts=True))

    def _enter(self, feats: Tensor, identities: Tensor, of_sample: Tensor, counts: Tensor) -> None:
        # No identity repeats in a round: its rows are updated at once. With the most frequent identities first, the
        # rows of each round are the first ones.
        by_count = counts.argsort(descending=True)
        place = by_count.argsort()[of_sample]
        rounds = occurrence_numbers(of_sample)
        samples = feats[(rounds * len(identities) + place).argsort()] * (1 - self.momentum)
        rows = identities[by_count]
        table = self.features[rows]
        for added in samples.split(rounds.bincount().tolist()):
            current = table[: len(added)]
            torch.add(added, current, alpha=self.momentum, out=current)
            current /= current.norm(dim=1, keepdim=True).clamp_min_(1e-12)
        self.features[rows] = table


@MODELS.register_module()
class ClassCenters(LookupTable):
    """Class centers of DC-I-Net (Zhang et al., equation 7): c <- phi * c + (1 - phi) * x, sample by sample in order.

    A :class:`LookupTable` whose rows are not normalized, so that lengths weigh in the next mean; equation 8 uses only
    the direction. Centers start at zero, which the paper leaves open.

    Args:
        num_ids: Number of identities (rows).
        feat_channels: Width of a feature.
        momentum: phi, 0.5 in the paper.
    """

    def _enter(self, feats: Tensor, identities: Tensor, of_sample: Tensor, counts: Tensor) -> None:
        # Without norms the n updates of a center are one sum: phi^n c + (1 - phi) sum_k phi^(n - 1 - k) x_k.
        later = counts[of_sample] - 1 - occurrence_numbers(of_sample)
        samples = feats * ((1 - self.momentum) * self.momentum ** later.to(feats))[:, None]
        centers = self.features[identities] * (self.momentum ** counts.to(feats))[:, None]
        self.features[identities] = centers.index_add_(0, of_sample, samples)
