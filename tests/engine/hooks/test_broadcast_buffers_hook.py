from types import SimpleNamespace

import torch
from distributed import run_in_two_processes
from mmengine.config import Config
from torch import nn

from mmpersonsearch.engine.hooks import BroadcastBuffersHook


def validate_after_different_images(rank):
    model = nn.Sequential(nn.BatchNorm1d(3), nn.BatchNorm1d(3, momentum=None))
    for seed in range(rank + 1):
        model(torch.randn(4, 3, generator=torch.Generator().manual_seed(seed)))
    BroadcastBuffersHook().before_val_epoch(SimpleNamespace(model=model))
    expected = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).mean(0) / 10
    torch.testing.assert_close(model[0].running_mean, expected)
    assert [int(norm.num_batches_tracked) for norm in model] == [1, 1]


def test_all_ranks_validate_rank_0s_model():
    run_in_two_processes(validate_after_different_images)


def test_the_configs_have_it():
    cfg = Config.fromfile("configs/_base_/default_runtime.py")
    assert cfg.default_hooks.broadcast_buffers.type == BroadcastBuffersHook.__name__
