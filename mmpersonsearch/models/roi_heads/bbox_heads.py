"""Box heads: feature maps of RoIs to classes and boxes."""

from typing import Any

import torch
from mmdet.models.roi_heads.bbox_heads import BBoxHead
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.errors import InputError


@MODELS.register_module()
class PooledBBoxHead(BBoxHead):
    """MMDetection's ``BBoxHead`` after any pooling of the RoI map.

    ``pooling=dict(type='torch.nn.AdaptiveMaxPool2d', output_size=1), roi_feat_size=1`` reads the maximum,
    ``pooling=dict(type='torch.nn.Flatten'), with_avg_pool=False`` the whole map.

    Args:
        pooling: Config of the layer.
        kwargs: See MMDetection's ``BBoxHead``; ``roi_feat_size`` is that of the pooled map.
    """

    def __init__(self, *, pooling: dict, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pooling = MODELS.build(pooling)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Predict (n, num_classes + 1) scores and (n, 4 * num_classes) deltas of (n, C, h, w) RoI maps."""
        return super().forward(self.pooling(x))


@MODELS.register_module()
class FeatureDecompositionBBoxHead(BBoxHead):
    """Box head on the marginal distributions of the RoI map (FDPS; Yang et al., equations 2, 3 and 5).

    The mean over x gives the deltas (dy, dh), the mean over y gives (dx, dw), the mean over both gives the classes;
    each by one linear layer. Equation 4, the maximum over both, is the Re-ID head's ``pooling``.

    Args:
        kwargs: See MMDetection's ``BBoxHead``; ``roi_feat_size`` is (h, w) of the map. ``with_avg_pool`` is True.
    """

    def __init__(self, *, with_avg_pool: bool = True, **kwargs: Any) -> None:
        if not with_avg_pool:
            raise InputError("bbox_head: with_avg_pool=False, expected True: classes are read from the map's mean")
        super().__init__(with_avg_pool=True, **kwargs)
        height, width = self.roi_feat_size
        num_deltas = self.fc_reg.out_features // 2
        cfg = dict(self.reg_predictor_cfg, out_features=num_deltas)
        widths = {"x": width * self.in_channels, "y": height * self.in_channels}
        self.fc_reg = nn.ModuleDict({axis: MODELS.build(dict(cfg, in_features=n)) for axis, n in widths.items()})

    def decompose(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the sub-features of (n, C, h, w) maps: (n, C * h) D_y, (n, C * w) D_x and (n, C) D_cls."""
        return x.mean(dim=3).flatten(1), x.mean(dim=2).flatten(1), x.mean(dim=(2, 3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Predict (n, num_classes + 1) scores and (n, 4 * num_classes) deltas (dx, dy, dw, dh) of (n, C, h, w) maps."""
        along_y, along_x, pooled = self.decompose(x)
        deltas = torch.stack((self.fc_reg["x"](along_x), self.fc_reg["y"](along_y)), dim=2)
        return self.fc_cls(pooled), deltas.flatten(1)


def _conv_over(channels: int, positions: int) -> nn.Conv1d:
    """A 1x1 convolution that aggregates positions: (n, channels * positions, m) to (n, channels, m)."""
    return nn.Conv1d(channels * positions, channels, kernel_size=1)


@MODELS.register_module()
class ConvPooling(nn.Module):
    """Aggregation of maps to vectors by 1x1 convolutions, over x for each y, then over y.

    It has channels ** 2 * (h + w) weights and 2 * channels biases.

    Args:
        channels: C of the maps.
        size: (h, w) of the maps.
    """

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        height, width = size
        self.over_x, self.over_y = _conv_over(channels, width), _conv_over(channels, height)

    def forward(self, x: Tensor) -> Tensor:
        """Aggregate (n, C, h, w) maps to (n, C)."""
        rows = self.over_x(x.transpose(2, 3).flatten(1, 2))
        return self.over_y(rows.flatten(1)[..., None]).squeeze(-1)


@MODELS.register_module()
class ConvDecompositionBBoxHead(FeatureDecompositionBBoxHead):
    """:class:`FeatureDecompositionBBoxHead` with 1x1 convolutions in place of means ("Parameter-base", section 4.2).

    The sub-features have the same shapes. D_y is a convolution from w * C to C channels for each y, D_x one from h * C
    to C channels for each x, D_cls is :class:`ConvPooling`. The paper says that this adds many parameters, but not
    which convolutions it has.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        channels, (height, width) = self.in_channels, self.roi_feat_size
        self.over_x, self.over_y = _conv_over(channels, width), _conv_over(channels, height)
        self.over_both = ConvPooling(channels, (height, width))

    def decompose(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See :meth:`FeatureDecompositionBBoxHead.decompose`."""
        along_y, along_x = self.over_x(x.transpose(2, 3).flatten(1, 2)), self.over_y(x.flatten(1, 2))
        return along_y.flatten(1), along_x.flatten(1), self.over_both(x)
