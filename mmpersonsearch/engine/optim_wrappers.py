"""Optimizer wrappers."""

from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.optim import OptimWrapper
from mmengine.runner.amp import autocast
from torch import nn

from mmpersonsearch.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class CPUAmpOptimWrapper(OptimWrapper):
    """Optimizer wrapper for autocast to bfloat16 on a CPU, where MMEngine's ``AmpOptimWrapper`` needs a GPU.

    Parameters, gradients and memories stay float32; no loss scaling is needed. It is faster only on CPUs with
    instructions for bfloat16 (``avx512_bf16``, ``amx_bf16``).
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass under autocast."""
        with super().optim_context(model), autocast(device_type="cpu"):
            yield
