"""FDPS with parameters: 1x1 convolutions in place of the means and the maximum (Yang et al., table 1)."""

from typing import Any

from torch import Tensor, nn

from mmpersonsearch.registry import MODELS

from .feature_decomposition_bbox_head import FeatureDecompositionBBoxHead


@MODELS.register_module()
class ConvPooling(nn.Module):
    """Aggregates the positions of maps by a 1x1 convolution whose channels they are: one weight a position.

    Args:
        num_positions: h * w of the maps.
    """

    def __init__(self, num_positions: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(num_positions, 1, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Aggregate (n, C, ...) maps, whose further dimensions are the positions, to (n, C)."""
        return self.conv(x.flatten(2).transpose(1, 2)).squeeze(1)


@MODELS.register_module()
class ConvDecompositionBBoxHead(FeatureDecompositionBBoxHead):
    """FDPS whose sub-features, of the same shapes, are aggregated by 1x1 convolutions ("Parameter-base").

    Args:
        kwargs: See :class:`FeatureDecompositionBBoxHead`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        height, width = self.roi_feat_size
        self.over_x, self.over_y, self.over_both = map(ConvPooling, (width, height, height * width))

    def decompose(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See :meth:`FeatureDecompositionBBoxHead.decompose`."""
        columns = x.transpose(2, 3)
        return self.over_x(x.flatten(1, 2)), self.over_y(columns.flatten(1, 2)), self.over_both(x)
