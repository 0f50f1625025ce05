"""A Re-ID model as a frozen teacher."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmpersonsearch.models.teachers.frozen_teacher import FrozenTeacher


class ReIDTeacher(FrozenTeacher):
    """A Re-ID model whose mode ``'tensor'`` gives (N, D) embeddings, where D is its head's ``out_channels``."""

    @property
    def feat_channels(self) -> int:
        """D, the width of the embeddings."""
        return self.model.head.out_channels

    @torch.no_grad()
    def __call__(self, crops: Tensor) -> Tensor:
        """Embed person crops.

        Args:
            crops: (K, 3, H, W) normalized crops.

        Returns:
            (K, D) L2-normalized embeddings (f_t of TDN's equation 2).

        Raises:
            RuntimeError: No checkpoint was loaded.
        """
        self.check_loaded()
        return F.normalize(self.model(crops, mode="tensor").float())
