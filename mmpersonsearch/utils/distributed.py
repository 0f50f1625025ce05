"""Gathering samples of all ranks, so that memories and losses are exact under distribution."""

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather, all_reduce, get_rank, get_world_size
from torch import Tensor


@torch.no_grad()
def gather_samples(samples: Tensor) -> Tensor:
    """Concatenate the samples of all ranks, rank 0 first.

    Ranks may hold different numbers of samples, none included; each rank has to call this.

    Args:
        samples: (N, ...) of this rank.

    Returns:
        (sum of all ranks' N, ...) without a graph; the same on every rank.
    """
    return _gather(samples.detach(), _gather_counts(samples))


def _gather_counts(samples: Tensor) -> list[int]:
    if get_world_size() == 1:
        return [len(samples)]
    return [int(count) for count in all_gather(torch.tensor([len(samples)], device=samples.device))]


def _gather(samples: Tensor, counts: list[int]) -> Tensor:
    if len(counts) == 1:
        return samples
    padding = [0, 0] * (samples.dim() - 1) + [0, max(counts) - len(samples)]
    gathered = all_gather(F.pad(samples, padding))
    return torch.cat([part[:count] for part, count in zip(gathered, counts)])


def gather_batch(feats: Tensor, person_ids: Tensor) -> tuple[Tensor, Tensor]:
    """Join the batches of all ranks to the one that a single process would have, for losses on pairs of samples.

    Each rank then computes the same loss, of the joint batch. Only this rank's features have a graph, and their
    gradients are multiplied by the number of ranks, so that DDP's mean over the ranks is the joint batch's gradient.
    Each rank has to call this, but need not hold samples.

    Args:
        feats: (N, D) of this rank.
        person_ids: (N,) int64 of this rank.

    Returns:
        (sum of all ranks' N, D) features, rank 0's first, and their identities.
    """
    counts = _gather_counts(feats)
    start, end = sum(counts[: get_rank()]), sum(counts[: get_rank() + 1])
    joint = _gather(feats.detach(), counts)
    own = feats + (len(counts) - 1) * (feats - feats.detach())  # the second term is zero, its gradient is not
    return torch.cat([joint[:start], own, joint[end:]]), _gather(person_ids, counts)


@torch.no_grad()
def mean_over_ranks(number: Tensor) -> Tensor:
    """Compute the mean number of samples a rank, by which each rank divides the sum of its losses.

    The mean of these quotients over the ranks, which is what DDP's gradients are of, is the mean over the samples of
    all. Each rank has to call this.

    Args:
        number: () int64, samples of this rank; may be 0.

    Returns:
        Scalar, more than 0 also where no rank has a sample.
    """
    number = number.clone()
    all_reduce(number)
    return number.clamp(min=1) / get_world_size()


def share_of_samples(number: int, device: torch.device) -> Tensor:
    """Compute this rank's number of samples over the mean of all ranks.

    A mean over this rank's samples is multiplied by it, so that the mean over the ranks is the mean over the samples of
    all. Each rank has to call this.

    Args:
        number: Samples of this rank; may be 0.
        device: The model's.

    Returns:
        Scalar; exactly 1 where all ranks have equally many.
    """
    return number / mean_over_ranks(torch.tensor(number, device=device))
