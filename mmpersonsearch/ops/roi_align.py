"""RoIAlign by tensor operations on every device; on a CPU a multiple of the compiled one's speed."""

import torch
from torch import Tensor

from mmpersonsearch.ops.pixel_sums import sum_pixels
from mmpersonsearch.ops.resampling import resample
from mmpersonsearch.ops.sampling_axis import SamplingAxis

# An image's crops have more cells than an embedding has channels: bookkeeping for each cell would cost the most.
_FEW_CHANNELS = 8


def roi_align(
    maps: Tensor,
    rois: Tensor,
    output_size: tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    aligned: bool = True,
) -> Tensor:
    """Average bilinearly interpolated samples of each cell of a grid over each RoI (He et al., Mask R-CNN).

    Values are those of ``mmcv.ops.roi_align`` with ``pool_mode="avg"``. Feature maps are summed by
    :func:`~mmpersonsearch.ops.pixel_sums.sum_pixels`, images of a few channels resampled by
    :func:`~mmpersonsearch.ops.resampling.resample`.

    Args:
        maps: (B, C, H, W) of any floating dtype and strides; channels_last is the fastest. Half precision is summed
            in float32.
        rois: (n, 5) image number and xyxy box in pixels of the input; n may be 0.
        output_size: (h, w) cells of a RoI.
        spatial_scale: Pixels of the map in a pixel of the input.
        sampling_ratio: Samples of a cell along each axis; 0: as many as the cell has pixels of the map, rounded up.
        aligned: Whether the center of a pixel is at .5. If not, it is at 0, and a RoI is one pixel wide and high at
            least.

    Returns:
        (n, C, h, w) of the maps' dtype; 0 for samples more than a pixel beyond the map.

    Raises:
        ValueError: A RoI is not finite, is of an image that is not there, or (``aligned``) ends before it starts.
            Checked on a CPU only: on a GPU it would have to wait.
    """
    if rois.is_cpu:
        _check_rois(rois, len(maps), aligned)
    channels, height, width = maps.shape[1:]
    if len(rois) == 0:
        return maps.sum() * 0 + maps.new_zeros(0, channels, *output_size)
    dtype = torch.promote_types(torch.promote_types(maps.dtype, rois.dtype), torch.float32)
    rows, columns = (
        SamplingAxis.of_rois(rois.to(dtype), axis, cells, length, spatial_scale, sampling_ratio, aligned)
        for axis, cells, length in ((1, output_size[0], height), (0, output_size[1], width))
    )
    compute = resample if channels <= _FEW_CHANNELS else sum_pixels
    return compute(maps.to(dtype), rois[:, 0].long(), rows, columns).to(maps.dtype)


def add_roi_align_gradient(
    grad_maps: Tensor,
    grad_output: Tensor,
    rois: Tensor,
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    aligned: bool = True,
) -> None:
    """Add the gradient of :func:`roi_align` with respect to its maps, for who has no autograd.

    Args:
        grad_maps: (B, C, H, W), changed in place.
        grad_output: (n, C, h, w).
        rois: (n, 5); see :func:`roi_align`.
        spatial_scale: Pixels of the map in a pixel of the input.
        sampling_ratio: Samples of a cell along each axis, or 0.
        aligned: Whether the center of a pixel is at .5.
    """
    # RoIAlign is linear in the map: any map serves.
    with torch.enable_grad():
        maps = torch.zeros_like(grad_maps, memory_format=torch.channels_last).requires_grad_()
        output = roi_align(maps, rois, tuple(grad_output.shape[2:]), spatial_scale, sampling_ratio, aligned)
    (gradient,) = torch.autograd.grad(output, maps, grad_output)
    grad_maps += gradient


def _check_rois(rois: Tensor, num_maps: int, aligned: bool) -> None:
    wrong = ~rois.isfinite().all(1) | (rois[:, 0] < 0) | (rois[:, 0] >= num_maps)
    if aligned:
        wrong |= (rois[:, 3:] < rois[:, 1:3]).any(1)
    if wrong.any():
        first = int(wrong.nonzero()[0])
        raise ValueError(
            f"RoI {first} is {rois[first].tolist()}, expected the number of an image, 0 to {num_maps - 1}, and a "
            f"finite box x1, y1, x2, y2{' with x1 <= x2 and y1 <= y2' if aligned else ''}"
        )
