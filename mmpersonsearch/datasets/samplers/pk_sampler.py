"""Batches of P identities with K images each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from mmpersonsearch.registry import DATA_SAMPLERS
from mmpersonsearch.utils.errors import InputError


@DATA_SAMPLERS.register_module()
class PKSampler(Sampler[int]):
    """Sampler of batches of ``num_ids`` identities with ``num_instances`` images each, for triplet losses.

    "In Defense of the Triplet Loss for Person Re-Identification" (Hermans et al., 2017). The data loader's
    ``batch_size`` must be ``num_ids * num_instances``: the sampler gives one batch after the other.

    In an epoch each identity's images are drawn in groups of ``num_instances``, each image at most once; an identity
    of fewer images has one group, drawn with replacement. The order depends only on seed and epoch, the number of
    batches on neither. Batches are distributed over the ranks. An epoch skips at most ``num_ids * world_size`` - 1
    groups, and the surplus of identities that have more groups than there are batches.

    Args:
        dataset: ``get_data_info(i)['gt_label']`` is the identity of image i (:class:`mmdet.datasets.ReIDDataset`).
        num_ids: Identities in a batch, P.
        num_instances: Images of each identity in a batch, K.
        seed: The same for all ranks; by default drawn and shared.
        infinite: Whether the next epoch follows by itself, for training by iterations, where MMEngine's loop waits two
            seconds and restarts the data loading processes otherwise.

    Raises:
        InputError: The data set has no labels, or too few images for one batch per rank.
    """

    def __init__(
        self,
        dataset: BaseDataset,
        num_ids: int = 16,
        num_instances: int = 4,
        seed: int | None = None,
        infinite: bool = False,
    ) -> None:
        if num_ids < 1 or num_instances < 1:
            raise InputError(f"PKSampler: num_ids {num_ids} and num_instances {num_instances} must be at least 1")
        self.rank, self.world_size = get_dist_info()
        self.num_ids, self.num_instances = num_ids, num_instances
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch, self.infinite = 0, infinite
        _, labels, counts = np.unique(_labels_of(dataset), return_inverse=True, return_counts=True)
        self._images = np.split(np.argsort(labels, kind="stable"), np.cumsum(counts)[:-1])
        batches = _num_batches(np.maximum(counts // num_instances, 1), num_ids)
        self._batches_per_rank = batches // self.world_size
        if self._batches_per_rank == 0:
            groups = np.maximum(counts // num_instances, 1)
            fits = [n for n in range(num_ids - 1, 1, -1) if _num_batches(groups, n) >= self.world_size]
            remedy = f"set train_dataloader.sampler.num_ids to at most {fits[0]}" if fits else "label more persons"
            raise InputError(
                f"PKSampler: {len(labels)} images of {len(counts)} identities make {batches} batches of {num_ids} "
                f"identities x {num_instances} images, expected at least one per process ({self.world_size}): {remedy}"
            )

    def __len__(self) -> int:
        """Number of images of this rank in an epoch."""
        return self._batches_per_rank * self.num_ids * self.num_instances

    def __iter__(self) -> Iterator[int]:
        """Indices of images, batch after batch."""
        epochs = itertools.count(self.epoch) if self.infinite else [self.epoch]
        return itertools.chain.from_iterable(map(self._draw_epoch, epochs))

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, on which the next iteration's order depends."""
        self.epoch = epoch

    def _draw_epoch(self, epoch: int) -> list[int]:
        rng = np.random.default_rng((self.seed, epoch))
        batches = self._batches_per_rank * self.world_size
        order = rng.permutation(len(self._images))
        groups = np.concatenate([self._draw_groups(self._images[i], batches, rng) for i in order])
        # An identity has at most as many groups as there are batches, and they are consecutive: dealt out to the
        # batches in turn, no two are in one batch.
        dealt = groups[: batches * self.num_ids].reshape(self.num_ids, batches, self.num_instances)
        mine = rng.permutation(batches)[self.rank :: self.world_size]
        return dealt[:, mine].transpose(1, 0, 2).ravel().tolist()

    def _draw_groups(self, images: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
        """(number of groups, num_instances) images of one identity."""
        size = self.num_instances
        if len(images) < size:
            extra = rng.choice(images, size - len(images))
            return rng.permutation(np.concatenate([images, extra]))[None]
        groups = min(len(images) // size, most)
        return rng.permutation(images)[: groups * size].reshape(groups, size)


def _labels_of(dataset: BaseDataset) -> np.ndarray:
    try:
        labels = [int(dataset.get_data_info(i)["gt_label"]) for i in range(len(dataset))]
    except (AttributeError, KeyError) as error:
        raise InputError(
            f"PKSampler: {type(dataset).__name__} does not tell an image's identity by get_data_info(i)['gt_label']"
        ) from error
    return np.array(labels, dtype=np.int64)


def _num_batches(groups: np.ndarray, num_ids: int) -> int:
    """The most batches of different identities that the identities' (N,) numbers of groups allow."""
    batches = int(groups.sum()) // num_ids
    while (fewer := int(np.minimum(groups, batches).sum()) // num_ids) < batches:
        batches = fewer
    return batches
