"""RoIAlign of feature maps: each cell is one weighted sum of pixels, with the same weights in all channels."""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from scipy.sparse import csr_array
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmpersonsearch.ops.sampling_axis import SamplingAxis

# Most summands of one call: about 400 MB of pixels and weights with their temporaries.
_MAX_SUMMANDS = 1 << 24


class Summands(NamedTuple):
    """A sparse matrix (cells x pixels), row by row.

    Attributes:
        pixels: (S,) int32, rows of the table of pixels.
        weights: (S,) of the table's dtype.
        starts: (cells + 1,) int32, where each cell's summands start, and S.
    """

    pixels: Tensor
    weights: Tensor
    starts: Tensor


def sum_pixels(maps: Tensor, images: Tensor, rows: SamplingAxis, columns: SamplingAxis) -> Tensor:
    """Sum the pixels of each RoI's cells, in one ``embedding_bag`` over the table of all pixels.

    Args:
        maps: (B, C, H, W), float32 or float64.
        images: (n,) int64 map of each RoI.
        rows: Of the n > 0 RoIs.
        columns: Of the RoIs.

    Returns:
        (n, C, h, w) in channels_last.
    """
    channels = maps.size(1)
    table = maps.flatten(2).mT.reshape(-1, channels).contiguous()
    grids, group = torch.stack((rows.samples, columns.samples), 1).unique(dim=0, return_inverse=True)
    order = group.argsort(stable=True)
    # RoIs with the same number of samples are laid out together.
    laid_out = [
        _lay_out(images[members], rows.select(members), columns.select(members))
        for of_grid, (ny, nx) in zip(order.split(group.bincount(minlength=len(grids)).tolist()), grids.tolist())
        for members in of_grid.split(max(_MAX_SUMMANDS // max(4 * ny * nx * rows.cells * columns.cells, 1), 1))
    ]
    cells = torch.cat([_WeightedSum.apply(table, *summands) for summands in _join(laid_out)])
    cells = cells.view(len(images), rows.cells, columns.cells, channels).permute(0, 3, 1, 2)
    return cells if len(grids) == 1 else cells[order.argsort()]


def _lay_out(images: Tensor, rows: SamplingAxis, columns: SamplingAxis) -> tuple[Tensor, Tensor]:
    """(n h w, k) pixels and weights of all cells, RoI by RoI: those of the rows by those of the columns."""
    (y, y_weights), (x, x_weights) = rows.find_pixels(), columns.find_pixels()
    first_pixels = (images * (rows.length * columns.length)).int()[:, None, None]
    lines = first_pixels + y * columns.length
    pixels = lines[:, :, None, :, None] + x[:, None, :, None, :]
    weights = y_weights[:, :, None, :, None] * x_weights[:, None, :, None, :]
    return pixels.flatten(0, 2).flatten(1), weights.flatten(0, 2).flatten(1)


def _join(laid_out: list[tuple[Tensor, Tensor]]) -> list[Summands]:
    """Put the cells of several groups behind one another, in as few matrices as memory allows."""
    matrices, waiting, number = [], [], 0
    for pixels, weights in laid_out:
        if waiting and number + pixels.numel() > _MAX_SUMMANDS:
            matrices.append(waiting)
            waiting, number = [], 0
        waiting.append((pixels, weights))
        number += pixels.numel()
    return [_join_all(groups) for groups in (*matrices, waiting)]


def _join_all(groups: list[tuple[Tensor, Tensor]]) -> Summands:
    counts = torch.cat([pixels.new_full((len(pixels),), pixels.size(1)) for pixels, _ in groups])
    pixels, weights = (torch.cat([one.flatten() for one in part]) for part in zip(*groups))
    return Summands(pixels, weights, F.pad(counts.cumsum(0, dtype=torch.int32), (1, 0)))


class _WeightedSum(torch.autograd.Function):
    """Weighted sums of a table's rows.

    PyTorch's own backward of ``embedding_bag`` adds row by row; the sums of the transposed matrix take a fraction of
    its time, and always add in the same order.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, pixels: Tensor, weights: Tensor, starts: Tensor) -> Tensor:
        ctx.save_for_backward(pixels, weights, starts)
        ctx.num_pixels = len(table)
        return _sum_rows(table, Summands(pixels, weights, starts))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        return _sum_rows(grad.contiguous(), _transpose(Summands(*ctx.saved_tensors), ctx.num_pixels)), None, None, None


def _sum_rows(table: Tensor, summands: Summands) -> Tensor:
    return F.embedding_bag(
        summands.pixels,
        table,
        summands.starts,
        mode="sum",
        per_sample_weights=summands.weights,
        include_last_offset=True,
    )


def _transpose(summands: Summands, num_pixels: int) -> Summands:
    """The same matrix column by column: in which cells, with which weights, each pixel is."""
    pixels, weights, starts = summands
    if pixels.is_cpu:  # a sort in linear time
        matrix = csr_array((weights.numpy(), pixels.numpy(), starts.numpy()), (len(starts) - 1, num_pixels)).tocsc()
        return Summands(*map(torch.from_numpy, (matrix.indices, matrix.data, matrix.indptr)))
    cells = torch.repeat_interleave(starts.diff())
    order = pixels.argsort(stable=True)
    ends = torch.bincount(pixels, minlength=num_pixels).cumsum(0, dtype=torch.int32)
    return Summands(cells[order].int(), weights[order], F.pad(ends, (1, 0)))
