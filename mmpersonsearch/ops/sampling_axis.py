"""Where RoIAlign takes its samples."""

from typing import NamedTuple

import torch
from torch import Tensor


class SamplingAxis(NamedTuple):
    """Rows or columns of all RoIs. RoIAlign's weights are those of the rows times those of the columns.

    Attributes:
        start: (n,) of the RoIs, in pixels of the map, float32 or float64.
        cell: (n,) length of a cell.
        samples: (n,) int64 number of samples in a cell; 0 in a RoI of no size.
        cells: Number of cells.
        length: Pixels of the map.
    """

    start: Tensor
    cell: Tensor
    samples: Tensor
    cells: int
    length: int

    @classmethod
    def of_rois(
        cls,
        rois: Tensor,
        axis: int,
        cells: int,
        length: int,
        spatial_scale: float,
        sampling_ratio: int,
        aligned: bool,
    ) -> "SamplingAxis":
        """Scale RoIs to the map.

        Args:
            rois: (n, 5), float32 or float64.
            axis: 0: columns, 1: rows.
            cells: Of a RoI along the axis.
            length: Of the map along the axis.
            spatial_scale: Pixels of the map in a pixel of the input.
            sampling_ratio: Samples of a cell along the axis; 0: as many as the cell has pixels of the map.
            aligned: Whether the center of a pixel is at .5.
        """
        # Operation by operation as in MMCV: the number of samples jumps with a rounding error.
        offset = 0.5 if aligned else 0.0
        start, end = (rois[:, i] * spatial_scale - offset for i in (1 + axis, 3 + axis))
        size = end - start if aligned else (end - start).clamp(min=1)
        cell = size / cells
        samples = torch.full_like(cell, sampling_ratio) if sampling_ratio > 0 else cell.ceil()
        return cls(start, cell, samples.long(), cells, length)

    def select(self, members: Tensor) -> "SamplingAxis":
        """The axis of (m,) RoIs."""
        return self._replace(start=self.start[members], cell=self.cell[members], samples=self.samples[members])

    def find_pixels(self) -> tuple[Tensor, Tensor]:
        """Tell what each cell is the weighted sum of.

        Returns:
            (n, cells, 2 S) pixels of the map, int32, and their weights, where S is the largest number of samples; a
            RoI with fewer has weights 0.
        """
        numbers = torch.arange(int(self.samples.max()), device=self.start.device)
        samples = self.samples.clamp(min=1)[:, None, None]
        cells = torch.arange(self.cells, device=self.start.device)[:, None]
        start, cell = self.start[:, None, None], self.cell[:, None, None]
        places = start + cells * cell + (numbers + 0.5) * cell / samples
        counts = (places >= -1) & (places <= self.length) & (numbers < self.samples[:, None, None])
        places = places.clamp_(0, self.length - 1)
        low = places.floor()
        share = counts.to(places) / samples
        upper = (places - low) * share
        low = low.int()
        high = (low + 1).clamp_(max=self.length - 1)
        return torch.stack((low, high), -1).flatten(2), torch.stack((share - upper, upper), -1).flatten(2)
