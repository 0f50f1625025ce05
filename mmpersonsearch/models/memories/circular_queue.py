"""Queues of the latest features: CQ, and the feature dictionary."""

import torch
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.distributed import gather_samples
from mmpersonsearch.utils.errors import InputError


@MODELS.register_module()
class CircularQueue(nn.Module):
    """Circular queue (CQ) of unlabelled persons' features (Xiao et al., CVPR 2017, section 3.3).

    A sample replaces the oldest entry. The samples of all ranks enter, rank 0 first. Samples that are not finite, as
    of a step that a loss scaler skips, do not enter.

    Args:
        size: Number of entries.
        feat_channels: Width of a feature.

    Attributes:
        features: (size, feat_channels) float32 buffer, zero at the start.
        head: () int64 buffer, the entry that is replaced next.
    """

    def __init__(self, size: int, feat_channels: int) -> None:
        super().__init__()
        if size < 0:
            raise InputError(f"CircularQueue: size must be >= 0, got {size}")
        self.size = size
        self.register_buffer("features", torch.zeros(size, feat_channels))
        self.register_buffer("head", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, feats: Tensor) -> None:
        """Enter samples in order.

        Args:
            feats: (N, feat_channels) L2-normalized features of this rank.
        """
        feats = gather_samples(feats[feats.isfinite().all(dim=1)].to(self.features))
        entries = self.next_entries(len(feats))
        self.features[entries] = feats[len(feats) - len(entries) :]
        self.head.copy_((self.head + len(feats)) % max(self.size, 1))

    def next_entries(self, number: int) -> Tensor:
        """Number the entries that the last of ``number`` samples replace: (min(number, size),) int64."""
        samples = torch.arange(max(number - self.size, 0), number, device=self.head.device)
        return (self.head + samples) % max(self.size, 1)


@MODELS.register_module()
class FeatureDictionary(CircularQueue):
    """Feature dictionary of I-Net (Zhang et al., section 3.2): a FIFO of all persons' features and identities.

    Args:
        size: Number of entries, 40 times the 128 boxes of a detector in the paper.
        feat_channels: Width of a feature.

    Attributes:
        features: See :class:`CircularQueue`, as is ``head``.
        person_ids: (size,) int64 buffer; ``-1`` is an unlabelled person.
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
            feats: (N, feat_channels) L2-normalized features of this rank.
            person_ids: (N,) int64 identities; ``-1`` marks an unlabelled person.
        """
        person_ids = gather_samples(person_ids[feats.isfinite().all(dim=1)])
        entries = self.next_entries(len(person_ids))
        self.person_ids[entries] = person_ids[len(person_ids) - len(entries) :]
        self.length.add_(len(person_ids)).clamp_(max=self.size)
        super().update(feats)

    def filled(self) -> tuple[Tensor, Tensor]:
        """Copy the (M, feat_channels) features and (M,) identities of the filled entries."""
        length = int(self.length)
        return self.features[:length].clone(), self.person_ids[:length].clone()
