"""RoIAlign and RoIPool layers that call our operators directly."""

import importlib

import mmcv.ops
from torch import Tensor

from mmpersonsearch.ops.import_hooks import EXT
from mmpersonsearch.ops.mmcv_ops import is_compiled
from mmpersonsearch.ops.roi_align import roi_align
from mmpersonsearch.ops.roi_pool import roi_pool


class RoIAlign(mmcv.ops.RoIAlign):
    """``mmcv.ops.RoIAlign`` for maps of any strides and RoIs of another precision.

    Calls :func:`mmpersonsearch.ops.roi_align.roi_align` on a CPU and if MMCV was built without operators.
    """

    def forward(self, input: Tensor, rois: Tensor) -> Tensor:
        """Compute (n, C, h, w) from (B, C, H, W) maps and (n, 5) RoIs; n may be 0, unlike in compiled operators."""
        if len(rois) and (self.pool_mode != "avg" or self.use_torchvision or _use_compiled(input)):
            return super().forward(input, rois.type_as(input))
        return roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)


class RoIPool(mmcv.ops.RoIPool):
    """``mmcv.ops.RoIPool`` on every device; see :class:`RoIAlign`."""

    def forward(self, input: Tensor, rois: Tensor) -> Tensor:
        """Compute (n, C, h, w) from (B, C, H, W) maps and (n, 5) RoIs; n may be 0."""
        if len(rois) and _use_compiled(input):
            return super().forward(input, rois.type_as(input))
        return roi_pool(input, rois, self.output_size, self.spatial_scale)[0]


def _use_compiled(maps: Tensor) -> bool:
    return not maps.is_cpu and is_compiled(importlib.import_module(EXT))
