"""Modes of a forward pass: float32 under autocast, batch norms that keep their statistics."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from mmengine.dist import all_reduce
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def float32() -> Iterator[None]:
    """Disable autocast in a block or, as a decorator, in a function."""
    with ExitStack() as stack:
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield


def at_least_like(values: Tensor, like: Tensor) -> Tensor:
    """Cast values to the precision of ``like``, such as a memory or weight, unless their own is higher."""
    return values.to(torch.promote_types(values.dtype, like.dtype))


def batch_norms(module: nn.Module) -> list[_BatchNorm]:
    """List the batch norms among a module's parts and itself, of any dimension, ``nn.SyncBatchNorm`` included."""
    return [part for part in module.modules() if isinstance(part, _BatchNorm)]


@contextmanager
def kept_statistics(module: nn.Module, number: int, least: int = 1) -> Iterator[None]:
    """Have batch norms use their running statistics, and leave them as they are, while a batch is too small.

    A plain batch norm sees the samples of this rank, an ``nn.SyncBatchNorm`` those of all ranks, of which some may
    hold none. So a rank without samples can run the same layers as the others, on an empty batch: all ranks make the
    same collective calls, and every parameter has a gradient, which is zero there. With an ``nn.SyncBatchNorm`` in
    training mode, each rank has to call this.

    Args:
        module: Has the batch norms; those in eval mode stay so.
        number: Samples of this rank; may be 0.
        least: Fewest samples whose statistics are taken: 1 for maps, 2 for features of one position, which one sample
            gives no variance.
    """
    training = [norm for norm in batch_norms(module) if norm.training]
    synchronized = [norm for norm in training if isinstance(norm, nn.SyncBatchNorm)]
    keeping = [norm for norm in training if not isinstance(norm, nn.SyncBatchNorm)] if number < least else []
    if synchronized and _number_over_ranks(number, synchronized[0]) < least:
        keeping += synchronized
    for norm in keeping:
        norm.eval()
    try:
        yield
    finally:
        for norm in keeping:
            norm.train()


def _number_over_ranks(number: int, norm: nn.SyncBatchNorm) -> int:
    total = torch.tensor(number, device=norm.running_mean.device)
    all_reduce(total)
    return int(total)
