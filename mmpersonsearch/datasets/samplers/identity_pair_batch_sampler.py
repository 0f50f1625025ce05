"""Batches of pairs of images that share an identity."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from mmengine.dataset import BaseDataset, DefaultSampler
from torch.utils.data import BatchSampler

from mmpersonsearch.registry import DATA_SAMPLERS
from mmpersonsearch.utils.errors import InputError


@DATA_SAMPLERS.register_module()
class IdentityPairBatchSampler(BatchSampler):
    """Batch sampler of pairs of different images that show the same labelled person (I-Net's Siamese input).

    In a data loader's config: ``sampler=dict(type='DefaultSampler', shuffle=True),
    batch_sampler=dict(type='IdentityPairBatchSampler')``; the two images of a pair are neighbours in the batch.

    In an epoch each image that shares an identity with another is the first of one pair, in random order; one of these
    identities, then one of its other images, is drawn for the second. Images that share none are skipped. The order
    depends only on the sampler's seed and epoch. Batches are distributed over the ranks; together they are those of one
    process. The last ones are filled up with the epoch's first pairs.

    Args:
        sampler: Gives data set (as :class:`PersonSearchDataset`), seed, epoch and ranks; its order is not used.
        batch_size: Images in a batch, even.

    Raises:
        InputError: Another sampler; an odd batch size; the data set has no identities, or none in two images.
    """

    def __init__(self, sampler: DefaultSampler, batch_size: int) -> None:
        super().__init__(sampler, batch_size, drop_last=False)
        if not isinstance(sampler, DefaultSampler) or not sampler.shuffle:
            raise InputError("IdentityPairBatchSampler: sampler must be dict(type='DefaultSampler', shuffle=True)")
        if batch_size % 2:
            raise InputError(f"IdentityPairBatchSampler: batch_size must be even, got {batch_size}")
        # One entry per identity in an image, sorted by identity; those of one image only are dropped.
        person_ids, images = _identities_of(sampler.dataset).T
        _, of_entry, counts = np.unique(person_ids, return_inverse=True, return_counts=True)
        shared = counts[of_entry] > 1
        if not shared.any():
            raise InputError(
                f"IdentityPairBatchSampler: no two of the {len(sampler.dataset)} images in "
                f"{type(sampler.dataset).__name__} share an identity, so that there are no pairs"
            )
        counts = counts[counts > 1]
        self._images = images[shared]
        self._num_images = np.repeat(counts, counts)  # of the entry's identity
        self._first = np.repeat(np.cumsum(counts) - counts, counts)  # entry of its identity
        self._by_image = np.argsort(self._images, kind="stable")
        self._anchors, self._num_identities = np.unique(self._images, return_counts=True)

    def __len__(self) -> int:
        """Number of batches of this rank in an epoch."""
        return -(-2 * len(self._anchors) // (self.batch_size * self.sampler.world_size))

    def __iter__(self) -> Iterator[list[int]]:
        """Batches of indices."""
        rng = np.random.default_rng((self.sampler.seed, self.sampler.epoch))
        order = rng.permutation(len(self._anchors))
        pairs = np.stack([self._anchors[order], self._draw_partners(order, rng)], axis=1)
        batches = np.resize(pairs, (len(self) * self.sampler.world_size, self.batch_size))
        return iter(batches[self.sampler.rank :: self.sampler.world_size].tolist())

    def _draw_partners(self, order: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """For each of the numbered anchors, another image of one of its identities."""
        last_of_image = np.cumsum(self._num_identities)
        identity = last_of_image[order] - 1 - rng.integers(self._num_identities[order])
        entry = self._by_image[identity]
        other = rng.integers(self._num_images[entry] - 1)
        other += other >= entry - self._first[entry]  # all but the anchor itself
        return self._images[self._first[entry] + other]


def _identities_of(dataset: BaseDataset) -> np.ndarray:
    """(N, 2) identities and images that show them, sorted, each once."""
    try:
        found = [
            (instance["person_id"], i)
            for i in range(len(dataset))
            for instance in dataset.get_data_info(i)["instances"]
            if instance["person_id"] >= 0
        ]
    except (AttributeError, KeyError) as error:
        raise InputError(
            f"IdentityPairBatchSampler: {type(dataset).__name__} does not tell the persons of an image by "
            "get_data_info(i)['instances'][k]['person_id']"
        ) from error
    return np.unique(np.array(found, dtype=np.int64).reshape(-1, 2), axis=0)
