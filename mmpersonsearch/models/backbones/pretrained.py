"""Base of backbones whose published weights must fill them, and the layout that is fast."""

from __future__ import annotations

import functools

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor

from mmpersonsearch.utils.checkpoint import COUNTERS, find_weights, load_checkpoint_file, load_strictly


@functools.cache
def _say_from_scratch() -> None:
    print_log("Pretrained weights are 'none': the backbones are trained from scratch.", logger="current")


class PretrainedModule(BaseModule):
    """Network, or part of one, that loads published weights strictly or draws random ones.

    Args:
        init_cfg: ``dict(type='Pretrained', checkpoint=...)`` with a file or URL of weights that hold each of this
            part's parameters; ``prefix='backbone.'`` reads them from a whole model. Random with ``'none'`` as
            checkpoint or without ``init_cfg``.
    """

    not_pretrained = COUNTERS  # regular expression of the keys that pretrained weights may lack
    random_init: tuple[dict, ...] = ()

    def __init__(self, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg or list(self.random_init))

    @property
    def checkpoint(self) -> str | None:
        """File or URL of the pretrained weights; None where there are none."""
        checkpoint = self.init_cfg.get("checkpoint") if isinstance(self.init_cfg, dict) else None
        return None if checkpoint == "none" else checkpoint

    def init_weights(self) -> None:
        """Load this part's pretrained weights, or draw random ones.

        Raises:
            FileNotFoundError: The checkpoint is missing.
            InputError: The checkpoint lacks parameters of this part, or has them in another shape.
        """
        if self.checkpoint is None:
            if isinstance(self.init_cfg, dict) and self.init_cfg.get("checkpoint") == "none":
                _say_from_scratch()
                self.init_cfg = list(self.random_init)
            super().init_weights()
            return
        prefix = self.init_cfg.get("prefix", "")
        weights = find_weights(load_checkpoint_file(self.checkpoint))
        weights = {key.removeprefix(prefix): value for key, value in weights.items()}
        load_strictly(self, weights, self.checkpoint, allow_unexpected=True, may_lack=self.not_pretrained)
        print_log(f"{self.describe()} loaded from {self.checkpoint}", logger="current")

    def describe(self) -> str:
        """Name this part, for the log."""
        return type(self).__name__


def in_fast_layout(x: Tensor) -> Tensor:
    """Return an (N, C, H, W) map in the layout with fast convolutions: on a CPU channels last, a quarter faster."""
    return x.contiguous(memory_format=torch.channels_last) if x.device.type == "cpu" else x
