import math

import pytest
import torch

from mmpersonsearch.models.losses import ContrastiveLoss


def slow_contrastive(feats, person_ids, margin):
    """Hadsell et al. and Caffe: 1 / (2N) * sum of y d^2 + (1 - y) max(margin - d, 0)^2, pair by pair."""
    losses = []
    for i in range(len(feats)):
        for j in range(i):
            if person_ids[i] < 0 and person_ids[j] < 0:
                continue
            d = math.dist(feats[i], feats[j])
            losses.append(d**2 if person_ids[i] == person_ids[j] else max(margin - d, 0) ** 2)
    return sum(losses) / (2 * len(losses))


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_definition(seed):
    g = torch.Generator().manual_seed(seed)
    feats = 0.6 * torch.randn(9, 4, generator=g, dtype=torch.float64)
    person_ids = torch.randint(-1, 4, (9,), generator=g)
    expected = slow_contrastive(feats.tolist(), person_ids.tolist(), 1.5)
    loss = ContrastiveLoss(margin=1.5, loss_weight=3.0)
    assert loss(feats, person_ids).item() == pytest.approx(3 * expected, abs=1e-12)
    assert torch.autograd.gradcheck(lambda x: loss(x, person_ids), feats.requires_grad_())


def test_equal_features_have_a_finite_gradient():
    feats = torch.ones(3, 4, requires_grad=True)
    loss = ContrastiveLoss()(feats, torch.tensor([0, 0, 1]))
    loss.backward()
    assert loss.item() == pytest.approx(2 * 1 / (2 * 3))
    assert torch.isfinite(feats.grad).all()


@pytest.mark.parametrize("person_ids", [[], [3], [-1, -1, -1]])
def test_no_pair_is_a_zero_with_a_graph(person_ids):
    feats = torch.randn(len(person_ids), 4, requires_grad=True)
    loss = ContrastiveLoss()(feats, torch.tensor(person_ids, dtype=torch.int64))
    loss.backward()
    assert loss.item() == 0 and feats.grad.abs().sum() == 0
