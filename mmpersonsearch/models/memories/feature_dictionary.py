"""Dictionary of the latest persons' features with their identities (I-Net)."""

import torch
from torch import Tensor

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.distributed import gather_samples

from .circular_queue import CircularQueue


@MODELS.register_module()
class FeatureDictionary(CircularQueue):
    """Feature dictionary of I-Net (Zhang et al., section 3.2): a FIFO of all persons' features and identities.

    A :class:`CircularQueue` that also keeps who each entry is, and how many entries are filled, since the others must
    not count as persons.

    Args:
        size: Number of entries, 40 times the 128 boxes of a detector in the paper.
        feat_channels: Width of a feature.

    Attributes:
        features: (size, feat_channels) float32 buffer.
        person_ids: (size,) int64 buffer; ``-1`` is an unlabelled person.
        head: () int64 buffer, the entry that is replaced next.
        length: () int64 buffer, number of filled entries, which are the first ones.
    """

    def __init__(self, size: int, feat_channels: int) -> None:
        super().__init__(size, feat_channels)
        self.register_buffer("person_ids", torch.full((size,), -1))
        self.register_buffer("length", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, feats: Tensor, person_ids: Tensor) -> None:
        """Enter samples in order.

        Args:
            feats: (N, feat_channels) L2-normalised features of this rank.
            person_ids: (N,) int64 identities; ``-1`` marks an unlabelled person.
        """
        person_ids = gather_samples(person_ids[feats.isfinite().all(dim=1)])
        entries = self.next_entries(len(person_ids))
        self.person_ids[entries] = person_ids[len(person_ids) - len(entries) :]
        self.length.add_(len(person_ids)).clamp_(max=self.size)
        super().update(feats)

    def filled(self) -> tuple[Tensor, Tensor]:
        """Copies of the (M, feat_channels) features and (M,) identities of the filled entries."""
        length = int(self.length)
        return self.features[:length].clone(), self.person_ids[:length].clone()
