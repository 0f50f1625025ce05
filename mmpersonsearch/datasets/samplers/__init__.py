"""Samplers of batches of images."""

from .identity_pair_batch_sampler import IdentityPairBatchSampler
from .pk_sampler import PKSampler

__all__ = ["IdentityPairBatchSampler", "PKSampler"]
