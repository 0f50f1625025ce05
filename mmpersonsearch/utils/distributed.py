"""Gathering of samples from all ranks, for exact memories and losses in distributed training."""

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather, all_reduce, get_rank, get_world_size
from torch import Tensor


@torch.no_grad()
def gather_samples(samples: Tensor) -> Tensor:
    """Concatenate the samples of all ranks, rank 0 first. Each rank must call this.

    Args:
        samples: (N, ...) of this rank; N may be 0 and differ between ranks.

    Returns:
        (sum of all N, ...) without a graph, the same on every rank.
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
    """Join the batches of all ranks, for losses on pairs of samples. Each rank must call this.

    Each rank then computes the same loss of the joint batch. Only the features of this rank have a graph. Their
    gradients are multiplied by the number of ranks, so that DDP's mean is the gradient of the joint batch.

    Args:
        feats: (N, D) of this rank; N may be 0.
        person_ids: (N,) int64 of this rank.

    Returns:
        (sum of all N, D) features, rank 0 first, and their identities.
    """
    counts = _gather_counts(feats)
    start, end = sum(counts[: get_rank()]), sum(counts[: get_rank() + 1])
    joint = _gather(feats.detach(), counts)
    own = feats + (len(counts) - 1) * (feats - feats.detach())  # the second term is zero, its gradient is not
    return torch.cat([joint[:start], own, joint[end:]]), _gather(person_ids, counts)


@torch.no_grad()
def mean_over_ranks(number: Tensor) -> Tensor:
    """Compute the mean number of samples per rank. Each rank must call this.

    If each rank divides the sum of its losses by it, DDP's mean over the ranks is the mean over all samples.

    Args:
        number: () int64, samples of this rank; may be 0.

    Returns:
        Scalar, > 0 even if no rank has a sample.
    """
    number = number.clone()
    all_reduce(number)
    return number.clamp(min=1) / get_world_size()


def share_of_samples(number: int, device: torch.device) -> Tensor:
    """Divide this rank's number of samples by :func:`mean_over_ranks`: the weight of a mean over its samples.

    Args:
        number: Samples of this rank; may be 0.
        device: Device of the model.

    Returns:
        Scalar; exactly 1 if all ranks have equally many.
    """
    return number / mean_over_ranks(torch.tensor(number, device=device))
