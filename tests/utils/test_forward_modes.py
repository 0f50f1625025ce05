import pytest
import torch
from distributed import run_in_processes
from sync_batch_norm import CPUSyncBatchNorm
from torch import nn

from mmpersonsearch.models.backbones import ResNetIBN
from mmpersonsearch.utils.forward_modes import batch_norms, kept_statistics


def make_norms():
    """A plain, a frozen and a synchronised batch norm, and other norms."""
    module = nn.Sequential(
        nn.BatchNorm2d(2), nn.BatchNorm1d(2).eval(), CPUSyncBatchNorm(2), nn.GroupNorm(1, 2), nn.InstanceNorm2d(2)
    )
    return module, lambda: [norm.training for norm in batch_norms(module)]


def test_batch_norms_of_any_kind():
    module, _ = make_norms()
    assert batch_norms(module) == list(module[:3])
    assert batch_norms(module[0]) == [module[0]]


@pytest.mark.parametrize(
    ("number", "least", "expected"),
    [
        (0, 1, [False, False, False]),
        (1, 1, [True, False, True]),
        (1, 2, [False, False, False]),
        (2, 2, [True, False, True]),
    ],
)
def test_small_batches_keep_statistics(number, least, expected):
    module, modes = make_norms()
    with kept_statistics(module, number, least):
        assert modes() == expected
    assert modes() == [True, False, True]
    with pytest.raises(KeyError), kept_statistics(module, number, least):
        raise KeyError
    assert modes() == [True, False, True]


def check_modes_on_rank(rank):
    module, modes = make_norms()
    for numbers, expected in {
        (2, 0): ([True, False, True], [False, False, True]),  # a synchronised norm sees both ranks' samples
        (0, 1): ([False, False, True], [True, False, True]),
        (0, 0): ([False, False, False], [False, False, False]),
    }.items():
        with kept_statistics(module, numbers[rank]):
            assert modes() == expected[rank]
    with kept_statistics(module, 1, least=2):
        assert modes() == [False, False, True]
    if rank == 0:  # in eval mode there is nothing to agree on
        with kept_statistics(module.eval(), 0):
            assert modes() == [False, False, False]


def test_small_batches_of_ranks_keep_statistics():
    run_in_processes(2, check_modes_on_rank)


@pytest.mark.parametrize(("depth", "ibn_stages"), [(18, (1, 2, 3)), (50, ())])
@pytest.mark.parametrize("stages", [(1, 2), (3, 4)])
def test_a_network_runs_on_an_empty_batch(depth, ibn_stages, stages):
    """Its statistics stay, its parameters have gradients of zero, as DDP needs them."""
    net = ResNetIBN(depth, stages=stages, ibn_stages=ibn_stages).train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    channels = 3 if stages[0] == 1 else 32 * 4 * net.expansion
    x = torch.zeros(0, channels, 16, 8, requires_grad=True)
    with kept_statistics(net, 0):
        (out,) = net(x) if net.with_stem else (net(x),)
    assert out.shape[:2] == (0, net.out_channels)
    out.sum().backward()
    assert x.grad.shape == x.shape
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in net.parameters())
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert all(norm.training for norm in batch_norms(net))
