"""RoIAlign as one weighted sum of pixels."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from scipy.sparse import csr_array
from torch import Tensor
from torch.autograd.function import once_differentiable

# Most summands of one call: about 400 MB of indices and weights with their temporaries.
_MAX_SUMMANDS = 1 << 24


class Summands(NamedTuple):
    """The pixels that each output cell is the weighted sum of: a sparse matrix (cells x pixels) in rows.

    Attributes:
        pixels: (S,) int32, rows of the table of pixels.
        weights: (S,) of the table's dtype.
        starts: (cells + 1,) int32, where each cell's summands start, and S.
    """

    pixels: Tensor
    weights: Tensor
    starts: Tensor


def roi_align(
    maps: Tensor,
    rois: Tensor,
    output_size: tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    aligned: bool = True,
) -> Tensor:
    """Average bilinearly interpolated samples of each cell of a grid over each RoI (He et al., Mask R-CNN).

    A cell is a weighted sum of pixels whose weights do not depend on the channel, so the layer is one
    ``embedding_bag`` over the table of pixels. Its values are those of ``mmcv.ops.roi_align`` with ``pool_mode="avg"``.

    Args:
        maps: (B, C, H, W) of any floating dtype and strides; channels_last is the fastest. Half precision is summed
            in float32.
        rois: (n, 5) image number and xyxy box in pixels of the input; n may be 0.
        output_size: (h, w) cells of a RoI.
        spatial_scale: Pixels of the map in a pixel of the input.
        sampling_ratio: Samples of a cell along each axis; 0: as many as a cell has pixels, at least one.
        aligned: Whether the centre of a pixel is at .5. If not, it is at 0, and a RoI is one pixel wide and high at
            least.

    Returns:
        (n, C, h, w) in channels_last, of the maps' dtype; 0 for samples more than a pixel beyond the map.

    Raises:
        ValueError: A RoI is not finite, is of an image that is not there, or (``aligned``) ends before it starts.
            Checked on a CPU only: on a GPU it would have to wait.
    """
    if rois.is_cpu:
        _check_rois(rois, len(maps), aligned)
    _, channels, height, width = maps.shape
    dtype = torch.promote_types(maps.dtype, torch.float32)
    table = maps.permute(0, 2, 3, 1).reshape(-1, channels).to(dtype)
    if len(rois) == 0 or len(table) == 0:
        return maps.sum() * 0 + maps.new_zeros(len(rois), channels, *output_size)
    axes = (
        _Axis.of_rois(rois[:, first], rois[:, first + 2], dtype, spatial_scale, cells, length, sampling_ratio, aligned)
        for first, cells, length in ((2, output_size[0], height), (1, output_size[1], width))
    )
    parts, order = [], []
    for members, summands in _sum_up(rois[:, 0].int() * (height * width), *axes):
        parts.append(_WeightedSum.apply(table, *summands))
        order.append(members)
    cells = torch.cat(parts).view(len(rois), -1) if len(parts) > 1 else parts[0].view(len(rois), -1)
    order = torch.cat(order)
    if not torch.equal(order, torch.arange(len(rois), device=order.device)):
        cells = cells[order.argsort()]
    return cells.view(len(rois), *output_size, channels).permute(0, 3, 1, 2).to(maps.dtype)


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
        rois: See :func:`roi_align`, as for the others.
        spatial_scale: Likewise.
        sampling_ratio: Likewise.
        aligned: Likewise.
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


class _Axis(NamedTuple):
    """One axis of all RoIs.

    Attributes:
        start: (n,) of the RoIs on the map.
        cell: (n,) length of a cell on the map.
        samples: (n,) int64 of a cell.
        cells: Number of cells.
        length: Of the map.
    """

    start: Tensor
    cell: Tensor
    samples: Tensor
    cells: int
    length: int

    @classmethod
    def of_rois(
        cls,
        start: Tensor,
        end: Tensor,
        dtype: torch.dtype,
        spatial_scale: float,
        cells: int,
        length: int,
        sampling_ratio: int,
        aligned: bool,
    ) -> "_Axis":
        # Operation by operation as in MMCV: the number of samples jumps with a rounding error.
        offset = 0.5 if aligned else 0.0
        start, end = (corner.to(dtype) * spatial_scale - offset for corner in (start, end))
        size = end - start if aligned else (end - start).clamp(min=1)
        cell = size / cells
        samples = torch.full_like(cell, sampling_ratio) if sampling_ratio > 0 else cell.ceil()
        return cls(start, cell, samples.long(), cells, length)

    def find_pixels(self, members: Tensor, samples: int) -> tuple[Tensor, Tensor]:
        """(m, cells, 2 * samples) pixels of the map, int32, and their weights, for RoIs with the same samples."""
        start, cell = self.start[members, None, None], self.cell[members, None, None]
        numbers = torch.arange(max(self.cells, samples), device=start.device, dtype=start.dtype)
        places = start + numbers[: self.cells, None] * cell + (numbers[:samples] + 0.5) * cell / samples
        inside = (places >= -1) & (places <= self.length)
        places = places.clamp_(0, self.length - 1)
        low = places.floor()
        share = inside.to(places) / samples
        upper = (places - low) * share
        lower = share - upper
        low = low.int()
        high = (low + 1).clamp_(max=self.length - 1)
        return torch.stack((low, high), -1).flatten(2), torch.stack((lower, upper), -1).flatten(2)


def _sum_up(first_pixels: Tensor, y_axis: _Axis, x_axis: _Axis) -> Iterator[tuple[Tensor, Summands]]:
    """Lay out the summands of all cells, in as few calls as memory allows.

    Args:
        first_pixels: (n,) int32 where each RoI's image starts in the table.
        y_axis: Rows.
        x_axis: Columns.

    Yields:
        (m,) RoIs, and the summands of their cells: RoI by RoI, row by row.
    """
    samples = torch.stack((y_axis.samples, x_axis.samples), 1)
    grids, group = samples.unique(dim=0, return_inverse=True)
    waiting, num_waiting = [], 0
    for number, (ny, nx) in enumerate(grids.tolist()):
        members = (group == number).nonzero().squeeze(1)
        a_roi = y_axis.cells * x_axis.cells * 4 * ny * nx
        for some in members.split(max(_MAX_SUMMANDS // max(a_roi, 1), 1)):
            if waiting and num_waiting + len(some) * a_roi > _MAX_SUMMANDS:
                yield _join(waiting)
                waiting, num_waiting = [], 0
            waiting.append((some, *_multiply(first_pixels, y_axis, x_axis, some, ny, nx)))
            num_waiting += len(some) * a_roi
    yield _join(waiting)


def _multiply(
    first_pixels: Tensor, y_axis: _Axis, x_axis: _Axis, members: Tensor, ny: int, nx: int
) -> tuple[Tensor, Tensor]:
    """(cells of all members, 4 ny nx) pixels and weights: those of the rows by those of the columns."""
    (y, y_weights), (x, x_weights) = y_axis.find_pixels(members, ny), x_axis.find_pixels(members, nx)
    rows = first_pixels[members, None, None] + y * x_axis.length
    pixels = rows[:, :, None, :, None] + x[:, None, :, None, :]
    weights = y_weights[:, :, None, :, None] * x_weights[:, None, :, None, :]
    return pixels.flatten(0, 2).flatten(1), weights.flatten(0, 2).flatten(1)


def _join(groups: list[tuple[Tensor, Tensor, Tensor]]) -> tuple[Tensor, Summands]:
    """Put the cells of several groups behind one another."""
    counts = torch.cat([pixels.new_full((len(pixels),), pixels.size(1)) for _, pixels, _ in groups])
    starts = F.pad(counts.cumsum(0, dtype=torch.int32), (1, 0))
    members, pixels, weights = (
        groups[0][i].flatten() if len(groups) == 1 else torch.cat([group[i].flatten() for group in groups])
        for i in range(3)
    )
    return members, Summands(pixels, weights, starts)


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
    """The same matrix in columns: which cells, with which weights, each pixel is in."""
    pixels, weights, starts = summands
    if pixels.is_cpu:  # a sort in linear time
        matrix = csr_array((weights.numpy(), pixels.numpy(), starts.numpy()), (len(starts) - 1, num_pixels)).tocsc()
        return Summands(*map(torch.from_numpy, (matrix.indices, matrix.data, matrix.indptr)))
    cells = torch.repeat_interleave(starts.diff())
    order = pixels.argsort(stable=True)
    ends = torch.bincount(pixels, minlength=num_pixels).cumsum(0, dtype=torch.int32)
    return Summands(cells[order].int(), weights[order], F.pad(ends, (1, 0)))
