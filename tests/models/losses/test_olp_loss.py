import math

import pytest
import torch
import torch.nn.functional as F

from mmpersonsearch.models.losses import OLPLoss


def dot(x, y):
    return sum(a * b for a, b in zip(x, y))


class SlowOLP:
    """Equations 1 to 4 of I-Net, subgroup by subgroup, in plain Python on lists."""

    def __init__(self, size):
        self.size, self.dictionary = size, []

    def subgroups(self, person_ids):
        everyone = range(len(person_ids))
        return [(a, p) for a in everyone for p in everyone if a != p and person_ids[a] == person_ids[p] >= 0]

    def step(self, feats, person_ids):
        subgroups = self.subgroups(person_ids)
        loss, grads = 0.0, [[0.0] * len(x) for x in feats]
        for a, p in subgroups:
            negatives = [x for x, y in self.dictionary if y != person_ids[a]]
            positive = math.exp(dot(feats[a], feats[p]))
            total = positive + sum(math.exp(dot(feats[a], n)) for n in negatives)
            loss -= math.log(positive / total) / len(subgroups)
            # equation 2: (q - 1) x_p + sum of q_k x_n, to the anchor alone
            terms = [(positive / total - 1, feats[p])]
            terms += [(math.exp(dot(feats[a], n)) / total, n) for n in negatives]
            for factor, x in terms:
                grads[a] = [g + factor * v / len(subgroups) for g, v in zip(grads[a], x)]
        self.dictionary = [*self.dictionary, *zip(feats, person_ids)][-self.size :]
        return loss, grads

    def hardest(self, feats, person_ids, number):
        """Cosine and identity of each anchor's most similar negatives."""
        found = []
        for a in sorted({a for a, _ in self.subgroups(person_ids)}):
            negatives = [(dot(feats[a], x), y) for x, y in self.dictionary if y != person_ids[a]]
            found += sorted(negatives, reverse=True)[:number]
        return found


def draw(n, ids, seed, dim=6):
    g = torch.Generator().manual_seed(seed)
    feats = F.normalize(torch.randn(n, dim, generator=g, dtype=torch.float64))
    return feats, torch.randint(-1, ids, (n,), generator=g)


def test_sequence_of_batches_equals_the_equations():
    slow, olp = SlowOLP(25), OLPLoss(6, dictionary_size=25).double()
    for seed in range(10):  # the dictionary is empty, then part, then full
        feats, person_ids = draw(9, 5, seed)
        hardest_ids, similarities = olp.hardest_negatives(feats, person_ids, 4)
        expected = slow.hardest(feats.tolist(), person_ids.tolist(), 4)
        assert sorted(zip(similarities.tolist(), hardest_ids.tolist())) == [
            (pytest.approx(similarity), person_id) for similarity, person_id in sorted(expected)
        ]
        feats.requires_grad_()
        loss = olp(feats, person_ids)
        loss.backward()
        expected_loss, expected_grads = slow.step(feats.tolist(), person_ids.tolist())
        assert loss.item() == pytest.approx(expected_loss, abs=1e-12)
        assert torch.allclose(feats.grad, torch.tensor(expected_grads, dtype=torch.float64), atol=1e-12)


def test_by_hand():
    """One pair at cosine 0, one negative like the first, one unlike both, and an entry of the pair's own identity."""
    olp = OLPLoss(3, dictionary_size=9, loss_weight=2.0)
    x = torch.eye(3)
    olp.dictionary.update(torch.stack([x[0], x[2], x[1]]), torch.tensor([4, -1, 7]))
    feats, person_ids = x[:2].clone().requires_grad_(), torch.tensor([7, 7])
    loss = olp(feats, person_ids)
    first, second = math.log(1 + math.e + 1), math.log(1 + 2)
    assert loss.item() == pytest.approx(2 * (first + second) / 2, rel=1e-6)
    loss.backward()
    # of the first anchor, times 2 / m = 1: q = 1 / (e + 2), q_1 = e / (e + 2), q_2 = 1 / (e + 2)
    total = math.e + 2
    assert torch.allclose(feats.grad[0], torch.tensor([math.e / total, 1 / total - 1, 1 / total]))
    # of the second: q = q_1 = q_2 = 1 / 3
    assert torch.allclose(feats.grad[1], torch.tensor([1 / 3 - 1 + 1 / 3, 0, 1 / 3]))


def test_gradient_is_that_of_equation_1_with_fixed_positives():
    olp = OLPLoss(6, dictionary_size=25).double()
    for seed in range(3):
        olp(*draw(9, 4, seed))
    olp.eval()
    feats, person_ids = draw(8, 4, 9)
    entries, entry_ids = olp.dictionary.filled()

    def with_fixed_positives(anchors):
        pair = (person_ids[:, None] == person_ids) & (person_ids >= 0) & ~torch.eye(8, dtype=torch.bool)
        losses = [
            -torch.log_softmax(torch.cat([feats[p : p + 1], entries[entry_ids != person_ids[a]]]) @ anchors[a], 0)[0]
            for a, p in pair.nonzero().tolist()
        ]
        return torch.stack(losses).mean()

    anchors = feats.clone().requires_grad_()
    torch.autograd.gradcheck(with_fixed_positives, anchors)
    with_fixed_positives(anchors).backward()
    feats = feats.clone().requires_grad_()
    loss = olp(feats, person_ids)
    loss.backward()
    assert loss.item() == pytest.approx(with_fixed_positives(anchors).item(), abs=1e-12)
    assert torch.allclose(feats.grad, anchors.grad, atol=1e-12)


@pytest.mark.parametrize("person_ids", [[], [-1, -1, -1], [0, 1, -1], [3]])
def test_no_pair_is_a_zero_with_a_graph(person_ids):
    olp = OLPLoss(6, dictionary_size=25)
    olp(*draw(9, 5, 0))
    feats = torch.randn(len(person_ids), 6, requires_grad=True)
    person_ids = torch.tensor(person_ids, dtype=torch.int64)
    hardest_ids, similarities = olp.hardest_negatives(feats, person_ids, 5)
    assert len(hardest_ids) == len(similarities) == 0
    loss = olp(feats, person_ids)
    loss.backward()
    assert loss.item() == 0
    assert feats.grad.abs().sum() == 0
    assert olp.dictionary.length == 9 + len(person_ids)


@pytest.mark.parametrize("size", [0, 25])
def test_empty_dictionary_has_no_negatives(size):
    olp = OLPLoss(6, dictionary_size=size)
    feats, person_ids = torch.randn(4, 6, requires_grad=True), torch.tensor([0, 0, 1, 1])
    loss = olp(feats, person_ids)
    loss.backward()
    assert loss.item() == 0 and feats.grad.abs().sum() == 0
    assert len(OLPLoss(6, size).hardest_negatives(feats, person_ids, 3)[0]) == 0


def test_only_training_updates():
    olp = OLPLoss(6, dictionary_size=25).eval()
    olp(*draw(9, 5, 0))
    assert olp.dictionary.length == 0
    olp.train()(*draw(9, 5, 0))
    assert olp.dictionary.length == 9


def test_the_dictionary_is_in_checkpoints():
    olp, other = OLPLoss(6, dictionary_size=25), OLPLoss(6, dictionary_size=25)
    for seed in range(4):
        olp(*draw(9, 5, seed))
    other.load_state_dict(olp.state_dict())
    assert olp(*draw(9, 5, 4)) == other(*draw(9, 5, 4))
    assert olp(*draw(9, 5, 5)) == other(*draw(9, 5, 5)) > 0
