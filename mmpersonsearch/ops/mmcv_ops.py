"""Preparation of ``mmcv.ops`` for the import of MMDetection."""

import importlib
import sys
import warnings
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

from mmpersonsearch.ops import mmcv_ext as replacement
from mmpersonsearch.ops.import_hooks import EXT

# On a CPU, compiled RoIAlign misreads maps in channels_last and is slower; compiled RoIPool exists on GPUs only.
_OURS_ON_CPU = ("roi_align_forward", "roi_align_backward", "roi_pool_forward", "roi_pool_backward")


def prepare_mmcv_ops() -> None:
    """Make ``mmcv.ops`` importable and correct, with and without compiled operators.

    Replaces compiled RoIAlign and RoIPool on a CPU, and with a warning all operators that do not load. Does nothing if
    MMCV is not installed.
    """
    try:
        ext = importlib.import_module(EXT)
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError):
            if error.name in ("mmcv", EXT):
                return
            raise
        sys.modules[EXT] = replacement
        warnings.warn(
            f"MMCV's compiled operators do not load ({error}); mostly they were compiled for another PyTorch. "
            "mmpersonsearch replaces RoIAlign, RoIPool and NMS; other operators are missing. To compile "
            f"them again: {replacement.HOW_TO_COMPILE}",
            stacklevel=2,
        )
        return
    if is_compiled(ext):
        for name in _OURS_ON_CPU:
            if not hasattr(getattr(ext, name), "compiled"):
                setattr(ext, name, _by_device(getattr(replacement, name), getattr(ext, name)))


def is_compiled(ext: ModuleType) -> bool:
    """Tell whether a module ``mmcv._ext`` is MMCV's own."""
    return ext.__file__ != replacement.__file__


def _by_device(ours: Callable[..., None], compiled: Callable[..., None]) -> Callable[..., None]:
    """Dispatch to ours for tensors on a CPU, else to the compiled operator, which is kept as ``compiled``."""

    @wraps(ours)
    def operator(first: Any, *args: Any, **kwargs: Any) -> None:
        (ours if first.is_cpu else compiled)(first, *args, **kwargs)

    operator.compiled = compiled
    return operator
