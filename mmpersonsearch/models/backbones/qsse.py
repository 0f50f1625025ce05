"""Query-guided squeeze and excitation between a network's blocks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.forward_modes import float32


@MODELS.register_module()
class QSSE(nn.Module):
    r"""Query-guided Siamese squeeze and excitation (QSSE) of QEEPS (Munjal et al., CVPR 2019).

    Both images' channels are weighted by one gate from both: :math:`s = \sigma(W_2\,\mathrm{ReLU}(W_1 [\bar q; \bar g]
    + b_1) + b_2)`, :math:`q' = s \odot q`, :math:`g' = s \odot g`, with the means :math:`\bar q, \bar g` over all
    positions. W_1 maps 2C to 2C / r channels, W_2 these to C: 3 C^2 / 8 weights for r = 16. They start as PyTorch's
    linear layers do.

    Args:
        channels: C, channels of either map.
        reduction: r.

    Raises:
        InputError: 2C is smaller than r.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        if not 0 < reduction <= 2 * channels:
            raise InputError(f"QSSE: reduction must be in [1, 2 * channels = {2 * channels}], got {reduction}")
        self.squeeze = nn.Linear(2 * channels, 2 * channels // reduction)
        self.excite = nn.Linear(2 * channels // reduction, channels)

    def forward(
        self,
        query_map: Tensor,
        gallery_map: Tensor,
        query_sizes: Sequence[tuple[int, int]] | None = None,
        gallery_sizes: Sequence[tuple[int, int]] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Weight the channels of P pairs of maps.

        Args:
            query_map: (P, C, h, w), or (1, C, h, w) of a query that all pairs share.
            gallery_map: (P, C, h', w') of any size, or (1, C, h', w').
            query_sizes: (height, width) of the part of each map that shows the image, from the top left corner; the
                rest is padding and does not enter the mean. None takes the whole maps.
            gallery_sizes: The same of the galleries.

        Returns:
            The (P, C, h, w) and (P, C, h', w') weighted maps.
        """
        means = [self._average(query_map, query_sizes), self._average(gallery_map, gallery_sizes)]
        with float32():
            gate = self.excite(torch.relu(self.squeeze(torch.cat(torch.broadcast_tensors(*means), dim=1)))).sigmoid()
        gate = gate[:, :, None, None]
        return query_map * gate.to(query_map), gallery_map * gate.to(gallery_map)

    def _average(self, maps: Tensor, sizes: Sequence[tuple[int, int]] | None) -> Tensor:
        """Average (n, C, h, w) maps over their positions, in the weights' precision: (n, C)."""
        dtype = torch.promote_types(maps.dtype, self.squeeze.weight.dtype)
        if sizes is None:
            return maps.mean((2, 3), dtype=dtype)
        if len(set(sizes)) == 1:
            height, width = sizes[0]
            return maps[:, :, :height, :width].mean((2, 3), dtype=dtype)
        parts = [one[:, :height, :width] for one, (height, width) in zip(maps, sizes, strict=True)]
        return torch.stack([part.mean((1, 2), dtype=dtype) for part in parts])
