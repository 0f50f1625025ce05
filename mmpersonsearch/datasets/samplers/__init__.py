"""Which images go into a batch together."""

from .pk_sampler import PKSampler

__all__ = ["PKSampler"]
