"""In which precision losses are computed."""

import torch
from torch import Tensor


def at_least_like(values: Tensor, like: Tensor) -> Tensor:
    """Give values the precision of a memory or weight, or keep their own where it is higher.

    So features of mixed precision become float32, and a gradient check in double precision stays one.

    Args:
        values: Of a floating-point type.
        like: Of a floating-point type.
    """
    return values.to(torch.promote_types(values.dtype, like.dtype))
