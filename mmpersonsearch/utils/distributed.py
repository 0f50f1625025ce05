"""Gathering samples of all ranks, so that memories are exact under distribution."""

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather, get_world_size
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
    samples = samples.detach()
    if get_world_size() == 1:
        return samples
    counts = all_gather(torch.tensor([len(samples)], device=samples.device))
    longest = int(max(counts))
    padding = [0, 0] * (samples.dim() - 1) + [0, longest - len(samples)]
    gathered = all_gather(F.pad(samples, padding))
    return torch.cat([part[: int(count)] for part, count in zip(gathered, counts)])
