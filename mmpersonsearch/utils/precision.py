"""Precision of computations."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor


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
