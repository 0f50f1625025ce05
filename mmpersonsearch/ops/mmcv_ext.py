"""Stand-in for ``mmcv._ext``, MMCV's compiled operators: those that person search and its detectors need.

``import_hooks.py`` has it imported under that name where MMCV was built without operators. Contracts are MMCV's, which
passes numbers by name: results go into the given tensors, of any strides and on any device.
"""

from collections.abc import Callable
from typing import NoReturn

from torch import Tensor

from mmpersonsearch.ops.nms import nms as nms
from mmpersonsearch.ops.roi_align import add_roi_align_gradient, roi_align
from mmpersonsearch.ops.roi_pool import add_roi_pool_gradient, roi_pool

HOW_TO_COMPILE = (
    "pip install --no-build-isolation --no-cache-dir --force-reinstall --no-deps mmcv (or onedl-mmcv), with PyTorch "
    "installed and a C++ compiler; in a checkout of mmpersonsearch: make setup OPS=compiled"
)


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    *argmax: Tensor,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
    **size: int,
) -> None:
    """Write :func:`mmpersonsearch.ops.roi_align.roi_align` into ``output``.

    Raises:
        NotImplementedError: ``pool_mode`` is 0, the maximum of the samples.
    """
    _check_pool_mode(pool_mode)
    output.copy_(roi_align(input, rois, tuple(output.shape[2:]), spatial_scale, sampling_ratio, aligned))


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    *,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
    **size: int,
) -> None:
    """Add the gradient of RoIAlign to ``grad_input``.

    Raises:
        NotImplementedError: See :func:`roi_align_forward`.
    """
    _check_pool_mode(pool_mode)
    add_roi_align_gradient(grad_input, grad_output, rois, spatial_scale, sampling_ratio, aligned)


def roi_pool_forward(
    input: Tensor, rois: Tensor, output: Tensor, argmax: Tensor, *, spatial_scale: float, **size: int
) -> None:
    """Write :func:`mmpersonsearch.ops.roi_pool.roi_pool` into ``output`` and ``argmax``."""
    values, places = roi_pool(input, rois, tuple(output.shape[2:]), spatial_scale)
    output.copy_(values)
    argmax.copy_(places)


def roi_pool_backward(grad_output: Tensor, rois: Tensor, argmax: Tensor, grad_input: Tensor, **options: float) -> None:
    """Add the gradient of RoIPool to ``grad_input``."""
    add_roi_pool_gradient(grad_input, grad_output, rois, argmax)


def get_compiler_version() -> str:
    """Tell ``mmengine.utils.dl_utils.collect_env`` and MMCV's that nothing was compiled."""
    return "not compiled"


def get_compiling_cuda_version() -> str:
    """See :func:`get_compiler_version`."""
    return "not compiled"


def _check_pool_mode(pool_mode: int) -> None:
    if pool_mode != 1:
        raise NotImplementedError(f"RoIAlign with pool_mode='max' needs a compiled MMCV: {HOW_TO_COMPILE}")


def __getattr__(name: str) -> Callable[..., NoReturn]:
    """Any other operator: MMCV asks for it when it is imported, and calls it perhaps."""
    if name.startswith("__"):
        raise AttributeError(f"module 'mmcv._ext' has no attribute {name!r}")

    def missing(*args: object, **kwargs: object) -> NoReturn:
        raise NotImplementedError(
            f"MMCV's operator {name!r} is not there: this MMCV was built without compiled operators, and "
            f"mmpersonsearch brings NMS, RoIAlign and RoIPool only. To compile them: {HOW_TO_COMPILE}"
        )

    missing.__name__ = name
    return missing
