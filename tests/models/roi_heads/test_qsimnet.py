import math

import pytest
import torch

from mmpersonsearch.models.roi_heads import QSimNet


def draw(number=6, channels=5):
    torch.manual_seed(0)
    return [torch.randn(number, channels, dtype=torch.float64) for _ in range(2)]


def build(channels=5):
    torch.manual_seed(1)
    net = QSimNet(channels).double()
    with torch.no_grad():
        net.bn.weight.uniform_(0.5, 2)
        net.bn.bias.normal_()
        net.bn.running_mean.normal_()
        net.bn.running_var.uniform_(0.5, 2)
    return net


def slow_logits(net, query, proposals, mean, var):
    """Number by number, with the given statistics of the squares."""
    rows = []
    for q, p in zip(query.tolist(), proposals.tolist()):
        z = [
            ((a - b) ** 2 - m) / math.sqrt(v + net.bn.eps) * w + s
            for a, b, m, v, w, s in zip(q, p, mean, var, net.bn.weight.tolist(), net.bn.bias.tolist())
        ]
        layer = zip(net.fc.weight.tolist(), net.fc.bias.tolist())
        rows.append([sum(w * v for w, v in zip(row, z)) + b for row, b in layer])
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("training", [False, True])
def test_equals_the_equations(training):
    net = build().train(training)
    query, proposals = draw()
    squares = [[(a - b) ** 2 for a, b in zip(q, p)] for q, p in zip(query.T.tolist(), proposals.T.tolist())]
    means = [sum(one) / 6 for one in squares]
    variances = [sum((v - m) ** 2 for v in one) / 6 for one, m in zip(squares, means)]
    if not training:
        means, variances = net.bn.running_mean.tolist(), net.bn.running_var.tolist()
    expected = slow_logits(net, query, proposals, means, variances)
    torch.testing.assert_close(net(query, proposals), expected)


@pytest.mark.parametrize("training", [False, True])
def test_gradients(training):
    net = build().train(training)
    inputs = [one.requires_grad_() for one in draw()]
    parameters = tuple(net.parameters())
    assert torch.autograd.gradcheck(lambda query, proposals, *_: net(query, proposals), (*inputs, *parameters))


@pytest.mark.parametrize("number", [0, 1])
def test_too_few_rows_for_statistics_leave_them(number):
    net = build().train()
    before = net.bn.running_mean.clone()
    query, proposals = draw(number)
    torch.testing.assert_close(net(query, proposals), build().eval()(query, proposals))
    assert torch.equal(net.bn.running_mean, before)
    loss = net.loss(query, proposals, torch.zeros(number).bool())
    loss.backward()
    assert torch.isfinite(loss) and net.fc.weight.grad is not None


def test_loss_is_the_mean_cross_entropy_of_column_1_for_one_person():
    net = build().eval()
    net.loss_weight = 3.0
    query, proposals = draw()
    is_same = torch.tensor([True, False, False, True, False, False])
    logits = net(query, proposals)
    terms = [-row[int(same)] + row.logsumexp(0) for row, same in zip(logits, is_same)]
    torch.testing.assert_close(net.loss(query, proposals, is_same), 3 * sum(terms) / 6)


def test_similarities_near_1_remain_different():
    net = build().float().eval()
    with torch.no_grad():
        net.fc.bias.copy_(torch.tensor([0.0, 25.0]))
    query, proposals = (one.float() for one in draw())
    similarities = net.similarity(query, proposals)
    gaps = net(query, proposals).double()
    torch.testing.assert_close(similarities, 1 / (1 + (gaps[:, 0] - gaps[:, 1]).exp()))
    assert len(set(similarities.tolist())) == 6
    assert similarities.float().unique().numel() < 6


def test_default_width():
    assert sum(p.numel() for p in QSimNet().parameters()) == 2 * 256 + 2 * 256 + 2
