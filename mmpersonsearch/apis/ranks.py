"""Errors of input in one of several processes, which end all of them with one message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmengine.dist import all_gather_object, broadcast_object_list, gather_object, get_rank

from mmpersonsearch.utils.errors import InputError, SharedError


def in_all_ranks(function: Callable[[], Any]) -> list[Any] | None:
    """Call a function in each rank; return what it gives in each, in rank 0 alone: None in the others.

    Raises:
        InputError: Of the first rank whose function raises it.
        OSError: Likewise.
        SharedError: In the other ranks then, which would wait for that rank for ever.
    """
    return gather_object(_call(function))


def in_rank_0(function: Callable[[], Any]) -> Any:
    """Call a function in rank 0 alone, and return what it gives in all ranks; for errors see :func:`in_all_ranks`."""
    results = [_call(function if get_rank() == 0 else lambda: None)]
    broadcast_object_list(results)
    return results[0]


def _call(function: Callable[[], Any]) -> Any:
    """Call a function, and raise in all ranks what it raises in one."""
    result, error = None, None
    try:
        result = function()
    except (InputError, OSError) as raised:
        error = raised
    errors = all_gather_object(error)
    failed = next((rank for rank, one in enumerate(errors) if one is not None), None)
    if failed is None:
        return result
    if failed == get_rank():
        raise error
    raise SharedError(str(errors[failed]))
