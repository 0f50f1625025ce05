"""RoIPool as in MMCV, on every device."""

import torch
from torch import Tensor

# Maximum number of values that are compared at once: 256 MiB of float32.
_MAX_VALUES = 1 << 26


def roi_pool(
    maps: Tensor, rois: Tensor, output_size: tuple[int, int], spatial_scale: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Take the largest value of each cell of a grid over each RoI (Girshick, Fast R-CNN).

    The window of a cell extends from the floor of its start to the ceiling of its end, clipped to the map. The first of
    equal values, row by row, gets the gradient.

    Args:
        maps: (B, C, H, W) of any floating dtype and strides.
        rois: (n, 5) image index and xyxy box in pixels of the input, the last pixel included; n may be 0.
        output_size: (h, w) cells of a RoI.
        spatial_scale: Pixels of the map per pixel of the input.

    Returns:
        (n, C, h, w) in channels_last, 0 for empty windows; and the pixel y * W + x of each value, int32 of the same
        shape, -1 for empty windows.
    """
    _, channels, height, width = maps.shape
    table = maps.permute(0, 2, 3, 1).reshape(-1, channels)
    with torch.no_grad():
        argmax = _find_largest(table, rois, output_size, (height, width), spatial_scale)
    first_pixels = rois[:, 0].long() * (height * width)
    pixels = (argmax + first_pixels[:, None, None, None]).flatten(0, 2)
    is_empty = (argmax < 0).flatten(0, 2)
    values = table.gather(0, pixels.masked_fill(is_empty, 0)) if len(table) else table.new_zeros(pixels.shape)
    output = values.masked_fill(is_empty, 0).view(argmax.shape).permute(0, 3, 1, 2)
    return output, argmax.int().permute(0, 3, 1, 2)


def add_roi_pool_gradient(grad_maps: Tensor, grad_output: Tensor, rois: Tensor, argmax: Tensor) -> None:
    """Add the gradient of :func:`roi_pool` with respect to its maps, for callers without autograd.

    Args:
        grad_maps: (B, C, H, W), changed in place.
        grad_output: (n, C, h, w).
        rois: (n, 5).
        argmax: (n, C, h, w) from :func:`roi_pool`.
    """
    batch, channels, height, width = grad_maps.shape
    pixels = argmax.long() + rois[:, 0].long()[:, None, None, None] * (height * width)
    is_empty = argmax < 0
    table = grad_maps.new_zeros(batch * height * width, channels)
    values, places = (
        one.permute(0, 2, 3, 1).reshape(-1, channels)
        for one in (grad_output.masked_fill(is_empty, 0), pixels.masked_fill(is_empty, 0))
    )
    if len(table):
        table.scatter_add_(0, places, values)
    grad_maps += table.view(batch, height, width, channels).permute(0, 3, 1, 2)


def _find_largest(
    table: Tensor, rois: Tensor, output_size: tuple[int, int], map_size: tuple[int, int], spatial_scale: float
) -> Tensor:
    """Return (n, h, w, C) the pixel of each cell's largest value in its map; -1 for empty windows."""
    channels, width = table.size(1), map_size[1]
    (top, bottom), (left, right) = (
        _find_windows(rois[:, first], rois[:, first + 2], cells, length, spatial_scale)
        for first, cells, length in zip((2, 1), output_size, map_size)
    )
    is_empty = (bottom <= top)[:, :, None] | (right <= left)[:, None, :]
    largest = is_empty.new_zeros(*is_empty.shape, channels, dtype=torch.long)
    if len(table) == 0:
        return largest - 1
    sizes = torch.stack(((bottom - top).amax(1), (right - left).amax(1)), 1).clamp(min=1)
    groups, group = sizes.unique(dim=0, return_inverse=True)
    first_pixels = rois[:, 0].long() * (map_size[0] * width)
    for number, (ny, nx) in enumerate(groups.tolist()):
        members = (group == number).nonzero().squeeze(1)
        a_roi = output_size[0] * output_size[1] * ny * nx * channels
        for some in members.split(max(_MAX_VALUES // a_roi, 1)):
            # A smaller window repeats its last pixel.
            y = torch.minimum(top[some, :, None] + torch.arange(ny, device=top.device), bottom[some, :, None] - 1)
            x = torch.minimum(left[some, :, None] + torch.arange(nx, device=top.device), right[some, :, None] - 1)
            pixels = (y * width)[:, :, None, :, None] + x[:, None, :, None, :]
            pixels = pixels.clamp_(min=0).flatten(3)  # of an empty window
            _, slots = table[first_pixels[some, None, None, None] + pixels].max(3)
            largest[some] = pixels.gather(3, slots)
    return largest.masked_fill_(is_empty[..., None], -1)


def _find_windows(start: Tensor, end: Tensor, cells: int, length: int, spatial_scale: float) -> tuple[Tensor, Tensor]:
    """Return (n, cells) the first pixel of each window and (n, cells) the one after its last; equal in empty RoIs."""
    dtype = torch.promote_types(start.dtype, torch.float32)
    start, end = start.to(dtype) * spatial_scale, (end.to(dtype) + 1) * spatial_scale
    size = end - start
    numbers = torch.arange(cells + 1, device=start.device, dtype=dtype)
    borders = numbers * (size / cells)[:, None] + start[:, None]
    first = borders[:, :-1].floor().clamp(0, length).long()
    last = borders[:, 1:].ceil().clamp(0, length).long()
    return first, torch.where(size[:, None] > 0, last, first)
