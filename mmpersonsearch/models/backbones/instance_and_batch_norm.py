"""Instance and batch norm of one map in one pass, with its gradient."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class InstanceAndBatchNorm(torch.autograd.Function):
    """Instance norm of the first channels of (N, C, H, W) maps, batch norm of the others.

    Returns the maps, and without gradient the (N, C) means and variances in at least float32.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, half: int, eps: float) -> tuple[Tensor, ...]:
        """Normalize x; ``half`` is the number of channels of the instance norm."""
        precise = x.to(torch.promote_types(x.dtype, torch.float32))
        mean = _share_in_batch(precise.mean((2, 3)), half)
        centered = precise - mean[:, :, None, None]
        var = _share_in_batch(centered.square().mean((2, 3)), half)
        inverse_std = (var + eps).rsqrt()
        y = torch.addcmul(bias[:, None, None], centered, (weight * inverse_std)[:, :, None, None]).to(x.dtype)
        ctx.save_for_backward(x, weight, mean, inverse_std)
        ctx.half = half
        ctx.mark_non_differentiable(mean, var)
        return y, mean, var

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        """Compute the gradients of x, weight and bias."""
        # With z the normalized x, and means over the values that share their statistics:
        # d x = weight / std * (grad - mean(grad) - z * mean(grad * z))
        x, weight, mean, inverse_std = ctx.saved_tensors
        precise = grad.to(mean.dtype)
        grad_mean = precise.mean((2, 3))
        grad_z_mean = inverse_std * ((precise * x).mean((2, 3)) - mean * grad_mean)
        positions = x.size(2) * x.size(3)
        grad_weight, grad_bias = grad_z_mean.sum(0) * positions, grad_mean.sum(0) * positions

        scale = weight * inverse_std
        of_x = -scale * inverse_std * _share_in_batch(grad_z_mean, ctx.half)
        constant = -scale * _share_in_batch(grad_mean, ctx.half) - of_x * mean
        grad_x = torch.addcmul(constant[:, :, None, None], precise, scale[:, :, None, None])
        grad_x.addcmul_(x.to(mean.dtype), of_x[:, :, None, None])
        return grad_x.to(x.dtype), grad_weight.to(weight), grad_bias.to(weight), None, None


def _share_in_batch(values: Tensor, half: int) -> Tensor:
    """(N, C) with the channels from ``half`` on replaced by their means over the batch."""
    return torch.cat((values[:, :half], values[:, half:].mean(0, keepdim=True).expand(len(values), -1)), dim=1)
