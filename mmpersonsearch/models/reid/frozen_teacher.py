"""A Re-ID model that teaches and does not learn."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.checkpoint import check_fits, load_checkpoint_file


class FrozenTeacher:
    """Wraps a Re-ID model so that it stays frozen, in eval mode, and out of the student's ``state_dict``.

    It is no ``nn.Module`` on purpose: as a plain object it is not among the student's children. Its owner forwards
    ``_apply`` (moves between devices and dtypes) to :attr:`model`.

    Args:
        model: Config of a Re-ID model whose mode ``'tensor'`` gives (N, D) embeddings, where D is its head's
            ``out_channels``.
    """

    def __init__(self, model: dict) -> None:
        self.model = MODELS.build(model).eval().requires_grad_(False)
        self.loaded = False

    @property
    def feat_channels(self) -> int:
        """D, the width of the embeddings."""
        return self.model.head.out_channels

    def load(self, path: str) -> None:
        """Load all weights from a checkpoint, strictly.

        Args:
            path: File or address.

        Raises:
            FileNotFoundError: The file is missing.
            ValueError: Keys are missing, unexpected or of another shape; the message names them.
        """
        checkpoint = load_checkpoint_file(path)
        check_fits(self.model, checkpoint, path, allow_unexpected=False)
        self.model.load_state_dict(checkpoint.get("state_dict", checkpoint))
        self.loaded = True

    @torch.no_grad()
    def __call__(self, crops: Tensor) -> Tensor:
        """Embed person crops.

        Args:
            crops: (K, 3, H, W) normalised crops.

        Returns:
            (K, D) L2-normalised embeddings (f_t of TDN's equation 2).

        Raises:
            RuntimeError: No checkpoint was loaded.
        """
        if not self.loaded:
            raise RuntimeError(
                "the Re-ID teacher has no weights: add dict(type='FrozenTeacherHook', checkpoint=...) to custom_hooks"
            )
        return F.normalize(self.model(crops, mode="tensor").float())
