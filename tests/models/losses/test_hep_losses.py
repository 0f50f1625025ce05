"""HEP, C2HEP and the pool of classes that both take."""

import math

import pytest
import torch
import torch.nn.functional as F

from mmpersonsearch.models.losses import C2HEPLoss, HEPLoss, priority_cross_entropy, select_priority_classes

IDS, DIM = 9, 6


def dot(x, y):
    return sum(a * b for a, b in zip(x, y))


def slow_priority_loss(scores, person_ids, pool):
    """Equation 5 (and 9, with its scores): scores of all classes, a list for each labelled sample."""
    loss = 0.0
    for s, y in zip(scores, person_ids):
        for j in pool:
            if y == j:
                loss -= math.log(math.exp(s[j]) / sum(math.exp(s[t]) for t in pool)) / len(scores)
    return loss


def draw(n, seed):
    g = torch.Generator().manual_seed(seed)
    feats = F.normalize(torch.randn(n, DIM, generator=g, dtype=torch.float64))
    person_ids = torch.randint(-1, IDS, (n,), generator=g)
    present = person_ids[person_ids >= 0].unique()
    others = torch.tensor([i for i in range(IDS) if i not in present.tolist()])
    pool = torch.cat([others[:2], present])
    return feats, person_ids, pool[torch.randperm(len(pool), generator=g)]


def test_hep_equals_equation_5():
    hep = HEPLoss(IDS, DIM, loss_weight=2.0).double()
    for seed in range(5):
        feats, person_ids, pool = draw(11, seed)
        labelled = [(x, y) for x, y in zip(feats.tolist(), person_ids.tolist()) if y >= 0]
        weights = list(zip(hep.classifier.weight.tolist(), hep.classifier.bias.tolist()))
        scores = [[dot(w, x) + b for w, b in weights] for x, _ in labelled]
        expected = slow_priority_loss(scores, [y for _, y in labelled], pool.tolist())
        assert hep(feats, person_ids, pool).item() == pytest.approx(2 * expected, abs=1e-12)


def test_c2hep_equals_equations_7_to_9_over_a_sequence():
    c2hep = C2HEPLoss(IDS, DIM, momentum=0.3, scale=7.0).double()
    centers = [[0.0] * DIM for _ in range(IDS)]
    for seed in range(8):
        feats, person_ids, pool = draw(11, seed)
        feats.requires_grad_()
        labelled = [(i, y) for i, y in enumerate(person_ids.tolist()) if y >= 0]
        cosines = torch.zeros(len(labelled), IDS, dtype=torch.float64)
        grads = torch.zeros(11, DIM, dtype=torch.float64)
        units = [[v / (math.sqrt(dot(c, c)) or 1) for v in c] for c in centers]
        for row, (i, y) in enumerate(labelled):
            cosines[row] = torch.tensor([dot(c, feats[i].tolist()) for c in units], dtype=torch.float64)
            p = {j: math.exp(7 * float(cosines[row, j])) for j in pool.tolist()}
            for j in pool.tolist():
                error = 7 * (p[j] / sum(p.values()) - (j == y)) / len(labelled)
                grads[i] += error * torch.tensor(units[j], dtype=torch.float64)
        loss = c2hep(feats, person_ids, pool)
        loss.backward()
        expected = slow_priority_loss((7 * cosines).tolist(), [y for _, y in labelled], pool.tolist())
        assert loss.item() == pytest.approx(expected, abs=1e-12)
        assert torch.allclose(feats.grad, grads, atol=1e-12)
        for i, y in labelled:
            centers[y] = [0.3 * c + 0.7 * x for c, x in zip(centers[y], feats[i].tolist())]
        assert torch.allclose(c2hep.centers.features, torch.tensor(centers, dtype=torch.float64), atol=1e-12)


def test_c2hep_by_hand():
    """A sample at its own centre and at a right angle to the other one; an empty centre has the cosine 0."""
    c2hep = C2HEPLoss(3, 2).double().eval()
    c2hep.centers.features[:2] = torch.tensor([[0.5, 0.0], [0.0, 3.0]])
    loss = c2hep(torch.eye(2).double(), torch.tensor([0, -1]), torch.arange(3))
    assert loss.item() == pytest.approx(math.log(1 + 2 * math.exp(-10)), rel=1e-9)


@pytest.mark.parametrize("make", [HEPLoss, C2HEPLoss])
def test_gradcheck(make):
    loss = make(IDS, DIM).double()
    for seed in range(3) if make is C2HEPLoss else ():
        loss(*draw(11, seed))
    loss.eval()
    feats, person_ids, pool = draw(7, 9)
    assert torch.autograd.gradcheck(lambda x: loss(x, person_ids, pool), feats.requires_grad_())


def test_hep_leaves_classes_outside_the_pool_alone():
    hep = HEPLoss(IDS, DIM)
    feats, person_ids, pool = draw(11, 0)
    hep(feats.float(), person_ids, pool).backward()
    touched = (hep.classifier.weight.grad != 0).any(dim=1).nonzero().flatten()
    assert touched.tolist() == sorted(pool.tolist())


@pytest.mark.parametrize("make", [HEPLoss, C2HEPLoss])
@pytest.mark.parametrize("person_ids", [[], [-1, -1]])
def test_no_labelled_person_is_a_zero_with_a_graph(make, person_ids):
    loss = make(IDS, DIM)
    feats = torch.randn(len(person_ids), DIM, requires_grad=True)
    found = loss(feats, torch.tensor(person_ids, dtype=torch.int64), torch.arange(4))
    found.backward()
    assert found.item() == 0
    assert all(p.grad is not None and p.grad.abs().sum() == 0 for p in [feats, *loss.parameters()])


def test_only_training_moves_the_centres():
    c2hep = C2HEPLoss(IDS, DIM)
    c2hep.eval()(*draw(11, 0))
    assert c2hep.centers.features.abs().sum() == 0
    c2hep.train()(*draw(11, 0))
    assert c2hep.centers.features.abs().sum() > 0


@pytest.mark.parametrize("make", [HEPLoss, C2HEPLoss])
def test_autocast_keeps_float32(make):
    loss = make(IDS, DIM)
    feats, person_ids, pool = draw(11, 0)
    with torch.autocast("cpu", torch.bfloat16):
        assert loss(feats.bfloat16(), person_ids, pool).dtype == torch.float32


def test_a_class_outside_the_pool_adds_nothing():
    scores = torch.tensor([[1.0, 2.0], [0.5, 0.0]])
    loss = priority_cross_entropy(scores, torch.tensor([7, 4]), torch.tensor([3, 7]))
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-1)))


def select(person_ids, num_classes=20, pool_size=6, hardest=None):
    if hardest is not None:
        hardest = (torch.tensor(hardest[0]), torch.tensor(hardest[1]))
    return select_priority_classes(torch.tensor(person_ids, dtype=torch.int64), num_classes, pool_size, hardest)


def test_pool_takes_the_present_then_the_hardest_then_random_ones():
    hardest = ([11, -1, 13, 11, 17], [-0.9, 1.0, 0.2, 0.5, -1.0])
    pools = [select([4, -1, 4, 2], hardest=hardest).tolist() for _ in range(20)]
    for pool in pools:
        assert len(set(pool)) == len(pool) == 6
        assert {2, 4, 11, 13, 17} <= set(pool) <= set(range(20))
    assert len({frozenset(pool) for pool in pools}) > 3
    # With less room the most similar stay, by an identity's best entry, not by how many it has.
    assert set(select([4, 2], pool_size=3, hardest=([11, 11, 13, 11], [-0.9, 0.1, 0.2, 0.1])).tolist()) == {2, 4, 13}
    assert set(select([4, -1, 4, 2], pool_size=4, hardest=hardest).tolist()) == {2, 4, 11, 13}


def test_random_fill_is_reproducible_and_uniform():
    torch.manual_seed(5)
    first = select([3])
    torch.manual_seed(5)
    assert torch.equal(first, select([3]))
    drawn = torch.stack([torch.bincount(select([3]), minlength=20) for _ in range(400)]).sum(0)
    assert drawn[3] == 400
    drawn = drawn[torch.arange(20) != 3]
    assert drawn.sum() == 5 * 400 and drawn.min() > 60 and drawn.max() < 160  # 105 each, +- 9


def test_pool_of_few_classes_and_of_many_present_ones():
    assert sorted(select([1, 0], num_classes=4, pool_size=100).tolist()) == [0, 1, 2, 3]
    assert set(select(list(range(9)), pool_size=6, hardest=([15], [1.0])).tolist()) == set(range(9))
    assert len(select([], pool_size=6)) == len(select([-1, -1], pool_size=6)) == 6


def test_identity_out_of_range():
    with pytest.raises(ValueError, match="person_id 20 of 20 classes"):
        select([20])
