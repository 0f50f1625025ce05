"""Preparing ``mmcv.ops`` before MMDetection is imported."""

import importlib
import sys
import warnings
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

from mmpersonsearch.ops import mmcv_ext as stand_in
from mmpersonsearch.ops.import_hooks import EXT

# On a CPU, MMCV's compiled RoIAlign misreads maps in channels_last and is slower; RoIPool it has on GPUs only.
_OURS_ON_CPU = ("roi_align_forward", "roi_align_backward", "roi_pool_forward", "roi_pool_backward")


def prepare_mmcv_ops() -> None:
    """Make ``mmcv.ops`` importable and right, however MMCV was built.

    A compiled MMCV is used, but for RoIAlign and RoIPool on a CPU. One that is there but does not load is named in a
    warning, and the stand-in takes its place. Does nothing where MMCV is not installed.
    """
    try:
        ext = importlib.import_module(EXT)
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError):
            if error.name in ("mmcv", EXT):
                return
            raise
        sys.modules[EXT] = stand_in
        warnings.warn(
            f"MMCV's compiled operators do not load ({error}); mostly they were compiled for another PyTorch. "
            "mmpersonsearch's RoIAlign, RoIPool and NMS take their place, other operators are missing. To compile "
            f"them again: {stand_in.HOW_TO_COMPILE}",
            stacklevel=2,
        )
        return
    if is_compiled(ext):
        for name in _OURS_ON_CPU:
            if not hasattr(getattr(ext, name), "compiled"):
                setattr(ext, name, _by_device(getattr(stand_in, name), getattr(ext, name)))


def is_compiled(ext: ModuleType) -> bool:
    """Whether a module ``mmcv._ext`` is MMCV's own."""
    return ext.__file__ != stand_in.__file__


def _by_device(ours: Callable[..., None], compiled: Callable[..., None]) -> Callable[..., None]:
    """Ours for tensors on a CPU, else the compiled operator, which stays at hand as ``compiled``."""

    @wraps(ours)
    def operator(first: Any, *args: Any, **kwargs: Any) -> None:
        (ours if first.is_cpu else compiled)(first, *args, **kwargs)

    operator.compiled = compiled
    return operator
