"""Errors of input in one of several processes, which end all of them with one message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmengine.dist import all_gather_object, get_rank

from mmpersonsearch.utils.errors import InputError, SharedError


def in_all_ranks(function: Callable[[], Any]) -> list[Any]:
    """Call a function in each rank, and return what it gives in each.

    Raises:
        InputError: Of the first rank whose function raises it.
        OSError: Likewise.
        SharedError: In the other ranks then, which would wait for that rank for ever.
    """
    try:
        own = function()
    except (InputError, OSError) as error:
        own = error
    results = all_gather_object(own)
    failed = next((rank for rank, one in enumerate(results) if isinstance(one, Exception)), None)
    if failed is None:
        return results
    if failed == get_rank():
        raise own
    raise SharedError(str(results[failed]))


def in_rank_0(function: Callable[[], Any]) -> Any:
    """Call a function in rank 0 alone, and return what it gives in all ranks; for errors see :func:`in_all_ranks`."""
    return in_all_ranks(function if get_rank() == 0 else lambda: None)[0]
