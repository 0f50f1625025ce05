import math

import pytest
import torch

from mmpersonsearch.models.losses import WeightedRegularizedTripletLoss, weighted_regularized_triplet


def by_definition(feats, person_ids):
    """The equation in plain Python, anchor by anchor; None where there is no triplet."""
    rows, losses = feats.tolist(), []
    for i, anchor in enumerate(rows):
        positives = [math.dist(anchor, x) for j, x in enumerate(rows) if j != i and person_ids[j] == person_ids[i]]
        negatives = [math.dist(anchor, x) for j, x in enumerate(rows) if person_ids[j] != person_ids[i]]
        if not positives or not negatives:
            continue
        sum_p, sum_n = sum(map(math.exp, positives)), sum(math.exp(-d) for d in negatives)
        positive = sum(math.exp(d) / sum_p * d for d in positives)
        negative = sum(math.exp(-d) / sum_n * d for d in negatives)
        losses.append(math.log(1 + math.exp(positive - negative)))
    return sum(losses) / len(losses) if losses else None


def draw(person_ids, channels=4, scale=1.0):
    g = torch.Generator().manual_seed(0)
    feats = torch.randn(len(person_ids), channels, generator=g, dtype=torch.float64) * scale
    return feats.requires_grad_(), torch.tensor(person_ids)


def test_by_hand():
    # On a line: identity 0 at 0 and 3, identity 1 at 1. The anchor at 1 has no positive.
    feats = torch.tensor([[0.0], [3.0], [1.0]])
    expected = (math.log(1 + math.exp(3 - 1)) + math.log(1 + math.exp(3 - 2))) / 2
    assert weighted_regularized_triplet(feats, torch.tensor([0, 0, 1])).item() == pytest.approx(expected)
    assert WeightedRegularizedTripletLoss(0.5)(feats, torch.tensor([0, 0, 1])).item() == pytest.approx(expected / 2)


@pytest.mark.parametrize("scale", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("person_ids", [[0, 0, 1, 1], [4, 2, 4, 2, 2, 7, 4, 0], [0, 0, 0, 1]])
def test_definition(person_ids, scale):
    feats, labels = draw(person_ids, scale=scale)
    assert weighted_regularized_triplet(feats, labels).item() == pytest.approx(by_definition(feats, person_ids))


def test_gradcheck():
    feats, labels = draw([0, 1, 0, 1, 1, 2])
    assert torch.autograd.gradcheck(lambda x: weighted_regularized_triplet(x, labels), feats)


def test_order_and_place_do_not_matter():
    feats, labels = draw([0, 1, 0, 1, 2, 2, 1])
    loss = weighted_regularized_triplet(feats, labels).item()
    order = torch.tensor([3, 6, 0, 1, 5, 2, 4])
    assert weighted_regularized_triplet(feats[order], labels[order]).item() == pytest.approx(loss)
    assert weighted_regularized_triplet(feats + 7, labels).item() == pytest.approx(loss)


@pytest.mark.parametrize("person_ids", [[0, 1, 2], [5, 5, 5], [3], []])
def test_no_triplet_is_a_zero_with_a_graph(person_ids):
    feats, labels = draw(person_ids)
    loss = weighted_regularized_triplet(feats, labels)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(feats.grad, torch.zeros_like(feats))


def test_anchors_without_a_triplet_are_left_out():
    feats, labels = draw([0, 1, 0, 2, 1])
    loss = weighted_regularized_triplet(feats, labels)
    loss.backward()
    assert loss.item() == pytest.approx(by_definition(feats, labels.tolist()))
    assert feats.grad.isfinite().all()
    assert feats.grad[3].abs().sum() > 0  # it still is a negative


@pytest.mark.parametrize("value", [0.0, 1e4])
def test_equal_and_far_features_stay_finite(value):
    feats = torch.full((6, 8), value)
    feats[3:] *= -1
    feats.requires_grad_()
    loss = weighted_regularized_triplet(feats, torch.tensor([0, 1, 2, 0, 1, 2]))
    loss.backward()
    assert loss.isfinite()
    assert feats.grad.isfinite().all()


def test_small_distances_keep_their_digits():
    # Far from the origin, as features before a BNNeck are; the product formula has nothing left of these distances.
    feats, labels = draw([0, 0, 1, 1], channels=64, scale=1e-3)
    expected = by_definition(feats + 30, labels.tolist())
    loss = weighted_regularized_triplet((feats + 30).float(), labels).item()
    assert loss == pytest.approx(expected, rel=1e-5)
