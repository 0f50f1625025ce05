"""RoI extractor on one map."""

from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor as MMDetSingleRoIExtractor
from torch import Tensor, nn

from mmpersonsearch.ops.roi_layers import RoIAlign, RoIPool
from mmpersonsearch.registry import MODELS


@MODELS.register_module()
class SingleRoIExtractor(MMDetSingleRoIExtractor):
    """MMDetection's ``SingleRoIExtractor`` with the RoI layers of :mod:`mmpersonsearch.ops.roi_layers`.

    For one map, it does not round RoIs to the map's precision (2 pixels in bfloat16) and saves a copy.
    """

    def build_roi_layers(self, layer_cfg: dict, featmap_strides: list[int]) -> nn.ModuleList:
        """Build one RoI layer per map; see MMDetection."""
        layers = {"RoIAlign": RoIAlign, "RoIPool": RoIPool}
        settings = dict(layer_cfg)
        kind = settings.pop("type")
        if kind not in layers:
            return super().build_roi_layers(layer_cfg, featmap_strides)
        return nn.ModuleList([layers[kind](spatial_scale=1 / stride, **settings) for stride in featmap_strides])

    def forward(self, feats: tuple[Tensor, ...], rois: Tensor, roi_scale_factor: float | None = None) -> Tensor:
        """Extract RoI features.

        Args:
            feats: (B, C, H / s, W / s) maps, one for each stride.
            rois: (n, 5) image number and xyxy box in pixels of the input.
            roi_scale_factor: By which RoIs grow around their centers.

        Returns:
            (n, C, h, w), from one map in channels_last on a CPU.
        """
        if len(feats) > 1:
            return super().forward(feats, rois, roi_scale_factor)
        if roi_scale_factor is not None:
            rois = self.roi_rescale(rois, roi_scale_factor)
        return self.roi_layers[0](feats[0], rois)
