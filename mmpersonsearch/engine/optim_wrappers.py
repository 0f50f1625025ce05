"""Optimizer wrappers."""

from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.optim import OptimWrapper
from mmengine.runner.amp import autocast
from torch import nn

from mmpersonsearch.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class CPUAmpOptimWrapper(OptimWrapper):
    """Mixed precision of float32 and bfloat16 on a CPU, where MMEngine's ``AmpOptimWrapper`` asks for a GPU.

    bfloat16 has float32's range, so that nothing scales the loss. Parameters, gradients and memories stay float32.
    A CPU with instructions for bfloat16 (``avx512_bf16``, ``amx_bf16``) trains faster by it, others slower.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass under autocast."""
        with super().optim_context(model), autocast(device_type="cpu"):
            yield
