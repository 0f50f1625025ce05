"""A stand-in for PyTorch's ``SyncBatchNorm``, which refuses to run on a CPU."""

import torch
import torch.distributed as dist
from torch import nn


class CPUSyncBatchNorm(nn.SyncBatchNorm):
    """``nn.SyncBatchNorm`` by its definition, with its collective calls: one forward, one backward, on each rank.

    As there, a rank may have an empty batch, whose gradients are left undefined. A joint batch of none or of one value,
    of which PyTorch's makes wrong statistics without a word, is an error here.
    """

    def forward(self, input):
        if not (self.training and dist.get_world_size() > 1):
            return super().forward(input) if not self.training else self._forward_alone(input)
        self.num_batches_tracked.add_(1)
        return _Normalise.apply(
            input, self.weight, self.bias, self.running_mean, self.running_var, self.momentum, self.eps
        )

    def _forward_alone(self, input):
        assert len(input), "an empty batch has no statistics"
        self.num_batches_tracked.add_(1)
        stats = (self.running_mean, self.running_var, self.weight, self.bias)
        return nn.functional.batch_norm(input, *stats, training=True, momentum=self.momentum, eps=self.eps)


class _Normalise(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, running_mean, running_var, momentum, eps):
        values = x.transpose(0, 1).flatten(1)  # (C, n)
        count = values.new_full((1,), values.shape[1])
        sums = torch.cat((values.sum(1), values.square().sum(1), count))
        dist.all_reduce(sums)
        channels, total = len(weight), sums[-1]
        assert total > 1, f"the joint batch has {int(total)} values a channel"
        mean = sums[:channels] / total
        var = sums[channels:-1] / total - mean.square()
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var * total / (total - 1), momentum)
        inverse_std = (var + eps).rsqrt()
        ctx.save_for_backward(x, weight, mean, inverse_std, total)
        return (x - _like(mean, x)) * _like(inverse_std * weight, x) + _like(bias, x)

    @staticmethod
    def backward(ctx, grad):
        x, weight, mean, inverse_std, total = ctx.saved_tensors
        z = (x - _like(mean, x)) * _like(inverse_std, x)
        dims = [i for i in range(x.dim()) if i != 1]
        grad_bias, grad_weight = grad.sum(dims), (grad * z).sum(dims)
        sums = torch.stack((grad_bias, grad_weight))
        dist.all_reduce(sums)
        if len(x) == 0:
            return (None,) * 7
        over_batch = _like(sums[0] / total, x) + z * _like(sums[1] / total, x)
        return _like(weight * inverse_std, x) * (grad - over_batch), grad_weight, grad_bias, None, None, None, None


def _like(of_channels, x):
    return of_channels.view(1, -1, *[1] * (x.dim() - 2))
