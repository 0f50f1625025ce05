"""Mixed precision on a CPU: bfloat16 in the forward pass, float32 in what is kept."""

import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from torch import nn

import mmpersonsearch.registry  # noqa: F401


def test_computes_in_bfloat16_and_keeps_float32():
    model = nn.Linear(4, 2, bias=False)
    nn.init.constant_(model.weight, 0.5)  # a number minus 1 that float32 holds
    with DefaultScope.overwrite_default_scope("mmpersonsearch"):
        wrapper = build_optim_wrapper(
            model, dict(type="CPUAmpOptimWrapper", optimizer=dict(type="SGD", lr=1.0), clip_grad=dict(max_norm=1e9))
        )
    before = model.weight.detach().clone()
    feats = torch.tensor([[1.0, 1 + 2**-10, 0, 0]])  # bfloat16 has 8 bits: the second is 1 there
    with wrapper.optim_context(model):
        out = model(feats)
        assert out.dtype == torch.bfloat16
    wrapper.update_params(out.float().sum())
    assert model.weight.dtype == torch.float32
    assert torch.equal(before - model.weight, torch.tensor([[1.0, 1, 0, 0]]).expand(2, 4))
    assert model(feats).dtype == torch.float32
