"""The precision that is computed in."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor


@contextmanager
def float32() -> Iterator[None]:
    """Switch autocast off, for a block or, as a decorator, for a function."""
    with ExitStack() as stack:
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield


def at_least_like(values: Tensor, like: Tensor) -> Tensor:
    """Give values the precision of a memory or weight, or keep their own where it is higher.

    So features of mixed precision become float32, and a gradient check in double precision stays one.

    Args:
        values: Of a floating-point type.
        like: Of a floating-point type.
    """
    return values.to(torch.promote_types(values.dtype, like.dtype))
