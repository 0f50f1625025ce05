"""RoIAlign of images: rows, then columns, by matrix products."""

import torch
from torch import Tensor

from mmpersonsearch.ops.sampling_axis import SamplingAxis

# Patches of a part are as large as its largest RoI: RoIs of about the same size are resampled together.
_PARTS = 4
# Most values of the patches of a part: 128 MiB of float32.
_MAX_VALUES = 1 << 25


def resample(maps: Tensor, images: Tensor, rows: SamplingAxis, columns: SamplingAxis) -> Tensor:
    """Resample a patch of the map for each RoI.

    Args:
        maps: (B, C, H, W), float32 or float64.
        images: (n,) int64 map of each RoI.
        rows: Of the n > 0 RoIs.
        columns: Of the RoIs.

    Returns:
        (n, C, h, w).
    """
    order = (rows.cell * columns.cell).argsort()
    parts = [_resample_part(maps, images, rows, columns, one) for one in order.tensor_split(_PARTS) if len(one)]
    return torch.cat(parts)[order.argsort()].transpose(1, 2)


def _resample_part(maps: Tensor, images: Tensor, rows: SamplingAxis, columns: SamplingAxis, members: Tensor) -> Tensor:
    """(m, h, C, w) of some RoIs."""
    channels, height, width = maps.shape[1:]
    (y, row_weights), (x, column_weights) = (_make_weights(axis.select(members)) for axis in (rows, columns))
    if len(members) > 1 and len(members) * channels * y.size(1) * x.size(1) > _MAX_VALUES:
        halves = members.tensor_split(2)
        return torch.cat([_resample_part(maps, images, rows, columns, half) for half in halves])
    planes = images[members, None] * channels + torch.arange(channels, device=maps.device)
    lines = (planes * height)[:, None, :] + y[:, :, None]
    patches = maps.reshape(-1)[(lines * width)[..., None] + x[:, None, None, :]]
    with torch.autocast(maps.device.type, enabled=False):
        resampled_rows = row_weights @ patches.flatten(2)
        resampled = resampled_rows.view(len(members), -1, x.size(1)) @ column_weights.mT
    return resampled.view(len(members), rows.cells, channels, columns.cells)


def _make_weights(axis: SamplingAxis) -> tuple[Tensor, Tensor]:
    """(n, P) pixels of each RoI's patch and (n, cells, P) their weights, P as many as the largest RoI has."""
    pixels, weights = axis.find_pixels()
    if pixels.size(2) == 0:  # all RoIs have no size
        return torch.zeros_like(axis.samples)[:, None], weights.new_zeros(*weights.shape[:2], 1)
    first = pixels.flatten(1).amin(1)
    places = pixels.long() - first[:, None, None]
    number = int(places.max()) + 1
    matrix = weights.new_zeros(*weights.shape[:2], number).scatter_add_(2, places, weights)
    return (first[:, None] + torch.arange(number, device=first.device)).clamp_(max=axis.length - 1), matrix
