import math

import pytest
import torch

from mmpersonsearch.models.losses import BatchHardTripletLoss
from mmpersonsearch.registry import MODELS


def slow_triplet(feats, person_ids, margin):
    losses = []
    for x, y in zip(feats, person_ids):
        positives = [math.dist(x, other) for other, z in zip(feats, person_ids) if z == y and other is not x]
        negatives = [math.dist(x, other) for other, z in zip(feats, person_ids) if z != y]
        if y >= 0 and positives and negatives:
            losses.append(max(max(positives) - min(negatives) + margin, 0))
    return sum(losses) / len(losses)


def draw(seed, lowest=-1):
    g = torch.Generator().manual_seed(seed)
    feats = torch.randn(12, 4, generator=g, dtype=torch.float64)
    return feats, torch.randint(lowest, 5, (12,), generator=g)


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_definition(seed):
    feats, person_ids = draw(seed)
    loss = BatchHardTripletLoss(margin=0.7, loss_weight=3.0)
    expected = slow_triplet(feats.tolist(), person_ids.tolist(), 0.7)
    assert loss(feats, person_ids).item() == pytest.approx(3 * expected, abs=1e-12)
    assert torch.autograd.gradcheck(lambda x: loss(x, person_ids), feats.requires_grad_())


def test_equals_mmdetections_where_all_have_a_positive_and_a_negative():
    feats, _ = draw(0)
    person_ids = torch.arange(12) // 3
    expected = MODELS.build(dict(type="mmdet.TripletLoss"))(feats, person_ids)
    assert BatchHardTripletLoss()(feats, person_ids).item() == pytest.approx(expected.item())


@pytest.mark.parametrize("person_ids", [[], [3], [-1, -1, -1], [2, 2, 2], [0, 1, -1]])
def test_no_triplet_is_a_zero_with_a_graph(person_ids):
    feats = torch.randn(len(person_ids), 4, requires_grad=True)
    loss = BatchHardTripletLoss()(feats, torch.tensor(person_ids, dtype=torch.int64))
    loss.backward()
    assert loss.item() == 0 and feats.grad.abs().sum() == 0
