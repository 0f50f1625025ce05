"""Instance and batch normalization side by side (IBN-Net)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class IBN(nn.Module):
    """Instance norm on the first half of the channels, batch norm on the others (IBN-a).

    Args:
        channels: Number of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.half = channels // 2
        self.IN = nn.InstanceNorm2d(self.half, affine=True)
        self.BN = nn.BatchNorm2d(channels - self.half)

    def forward(self, x: Tensor) -> Tensor:
        """Normalize x of shape (N, channels, H, W); N may be 0, but not where ``BN`` is to take its statistics."""
        if not self.training:
            return self._scale_and_shift(x)
        # A synchronized batch norm, or one that is kept in eval mode, has statistics of another origin; maps of one
        # position have no variance, which PyTorch's norm refuses.
        if type(self.BN) is nn.BatchNorm2d and self.BN.training and x.size(2) * x.size(3) > 1:
            return self._normalize_in_one(x)
        instance, batch = x.split((self.half, x.size(1) - self.half), dim=1)
        return torch.cat((self._normalize_instances(instance), self.BN(batch)), dim=1)

    def _normalize_instances(self, x: Tensor) -> Tensor:
        if len(x) == 0:  # which PyTorch's instance norm refuses
            return x * self.IN.weight[:, None, None] + self.IN.bias[:, None, None]
        return self.IN(x)

    def _normalize_in_one(self, x: Tensor) -> Tensor:
        # On channels_last maps PyTorch's instance norm reorders the data, and what is behind it runs on the other
        # layout: on a CPU five times the time of this.
        weight = torch.cat((self.IN.weight, self.BN.weight))
        bias = torch.cat((self.IN.bias, self.BN.bias))
        y, mean, var = _InstanceAndBatchNorm.apply(x, weight, bias, self.half, self.BN.eps)
        with torch.no_grad():
            number = len(x) * x.size(2) * x.size(3)
            self.BN.num_batches_tracked.add_(1)
            self.BN.running_mean.lerp_(mean[0, self.half :].to(self.BN.running_mean), self.BN.momentum)
            unbiased = var[0, self.half :] * (number / (number - 1))
            self.BN.running_var.lerp_(unbiased.to(self.BN.running_var), self.BN.momentum)
        return y

    def _scale_and_shift(self, x: Tensor) -> Tensor:
        # Both norms as one pass over x: without training, copies of the halves are most of an IBN's time. The
        # variance in two steps, since torch.var_mean takes seven times as long on a CPU.
        instance = x[:, : self.half].to(torch.promote_types(x.dtype, torch.float32))
        mean = instance.mean((2, 3), keepdim=True)
        var = (instance - mean).square_().mean((2, 3))
        mean = mean[:, :, 0, 0]
        scale = self.IN.weight * (var + self.IN.eps).rsqrt()
        shift = self.IN.bias - mean * scale
        batch_scale = self.BN.weight * (self.BN.running_var + self.BN.eps).rsqrt()
        batch_shift = self.BN.bias - self.BN.running_mean * batch_scale
        scale = torch.cat((scale, batch_scale.expand(len(x), -1)), dim=1).to(x.dtype)
        shift = torch.cat((shift, batch_shift.expand(len(x), -1)), dim=1).to(x.dtype)
        return torch.addcmul(shift[:, :, None, None], x, scale[:, :, None, None])


class _InstanceAndBatchNorm(torch.autograd.Function):
    """Normalize (N, C, H, W) maps by statistics of each image for the first channels, of the batch for the others.

    Returns the normalized maps, and the (N, C) means and variances (without gradient), in at least float32.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, half: int, eps: float) -> tuple[Tensor, ...]:
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
