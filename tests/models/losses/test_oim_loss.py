import math

import pytest
import torch
import torch.nn.functional as F
from distributed import run_in_two_processes

from mmpersonsearch.models.losses import OIMLoss


class SlowOIM:
    """OIM from its definition, in plain Python on lists of float64 vectors."""

    def __init__(self, num_ids, dim, queue_size, momentum, scale):
        self.lut = [[0.0] * dim for _ in range(num_ids)]
        self.queue = [[0.0] * dim for _ in range(queue_size)]
        self.head, self.momentum, self.scale = 0, momentum, scale

    def step(self, feats, person_ids):
        memory = self.lut + self.queue
        labelled = [i for i, y in enumerate(person_ids) if y >= 0]
        loss, grads = 0.0, [[0.0] * len(x) for x in feats]
        for i in labelled:
            logits = [self.scale * sum(a * b for a, b in zip(row, feats[i])) for row in memory]
            top = max(logits)
            total = sum(math.exp(z - top) for z in logits)
            p = [math.exp(z - top) / total for z in logits]
            loss -= math.log(p[person_ids[i]]) / len(labelled)
            for j, row in enumerate(memory):
                error = self.scale * (p[j] - (j == person_ids[i])) / len(labelled)
                grads[i] = [g + error * v for g, v in zip(grads[i], row)]
        for x, y in zip(feats, person_ids):
            if y >= 0:
                row = [self.momentum * a + (1 - self.momentum) * b for a, b in zip(self.lut[y], x)]
                norm = math.sqrt(sum(a * a for a in row))
                self.lut[y] = [a / norm for a in row]
            else:
                self.queue[self.head] = list(x)
                self.head = (self.head + 1) % len(self.queue)
        return loss, grads


def draw(n, ids, seed, dim=6):
    g = torch.Generator().manual_seed(seed)
    feats = F.normalize(torch.randn(n, dim, generator=g, dtype=torch.float64))
    return feats, torch.randint(-1, ids, (n,), generator=g)


def test_sequence_of_batches_equals_the_definition():
    slow = SlowOIM(5, 6, 7, momentum=0.5, scale=30.0)
    oim = OIMLoss(5, feat_channels=6, queue_size=7).double()
    for seed in range(12):
        feats, person_ids = draw(11, 5, seed)
        feats.requires_grad_()
        loss = oim(feats, person_ids)
        loss.backward()
        expected_loss, expected_grads = slow.step(feats.tolist(), person_ids.tolist())
        assert loss.item() == pytest.approx(expected_loss, abs=1e-9)
        assert torch.allclose(feats.grad, torch.tensor(expected_grads, dtype=torch.float64), atol=1e-9)
        assert torch.allclose(oim.lut.features, torch.tensor(slow.lut, dtype=torch.float64), atol=1e-9)
        assert torch.allclose(oim.queue.features, torch.tensor(slow.queue, dtype=torch.float64), atol=1e-9)
        assert oim.queue.head == slow.head


def test_empty_memories_give_a_uniform_softmax():
    oim = OIMLoss(3, feat_channels=6, queue_size=2, loss_weight=2.0)
    loss = oim(F.normalize(torch.randn(4, 6)), torch.tensor([0, 1, -1, 2]))
    assert loss.item() == pytest.approx(2 * math.log(5), rel=1e-6)


def test_gradcheck():
    oim = OIMLoss(5, feat_channels=6, queue_size=7).double()
    for seed in range(4):
        oim(*draw(9, 5, seed))
    oim.eval()
    feats, person_ids = draw(6, 5, 9)
    torch.autograd.gradcheck(lambda x: oim(x, person_ids), feats.requires_grad_())
    oim.float()  # the features' precision counts
    torch.autograd.gradcheck(lambda x: oim(x, person_ids), feats)


def test_samples_that_are_not_finite_stay_out_of_the_memories():
    """As in a step of float16 whose overflow MMEngine's loss scaler notices, and skips."""
    oim, clean = (OIMLoss(5, feat_channels=6, queue_size=7) for _ in range(2))
    feats, person_ids = draw(9, 5, 0)
    spoilt, is_finite = feats.clone(), torch.ones(9, dtype=torch.bool)
    for value, sample in ((torch.nan, person_ids.argmax()), (torch.inf, person_ids.argmin())):
        spoilt[sample, 2] = value
        is_finite[sample] = False
    assert set(person_ids[~is_finite].tolist()) >= {-1}
    assert not oim(spoilt, person_ids).isfinite()
    clean(feats[is_finite], person_ids[is_finite])
    for name, value in clean.state_dict().items():
        assert torch.equal(oim.state_dict()[name], value)


def test_only_training_updates():
    oim = OIMLoss(5, feat_channels=6, queue_size=7)
    feats, person_ids = draw(9, 5, 0)
    oim.eval()(feats, person_ids)
    assert oim.lut.features.abs().sum() == 0
    assert oim.queue.features.abs().sum() == 0
    oim.train()(feats, person_ids)
    assert oim.lut.features.abs().sum() > 0


@pytest.mark.parametrize("person_ids", [[], [-1, -1]])
def test_no_labelled_person_is_a_zero_with_a_graph(person_ids):
    feats = torch.randn(len(person_ids), 6, requires_grad=True)
    loss = OIMLoss(5, feat_channels=6, queue_size=7)(feats, torch.tensor(person_ids, dtype=torch.int64))
    loss.backward()
    assert loss.item() == 0
    assert feats.grad.abs().sum() == 0


def test_identity_out_of_range():
    with pytest.raises(ValueError, match="person_id 5, but num_ids is 5"):
        OIMLoss(5, feat_channels=6)(torch.ones(1, 6), torch.tensor([5]))


def test_permuting_unrepeated_samples_changes_nothing():
    feats, _ = draw(5, 5, 3)
    person_ids = torch.arange(5)
    order = torch.tensor([3, 1, 0, 4, 2])
    one, other = (OIMLoss(5, feat_channels=6, queue_size=7) for _ in range(2))
    assert one(feats, person_ids) == pytest.approx(other(feats[order], person_ids[order]).item())
    assert torch.allclose(one.lut.features, other.lut.features)


def test_autocast_keeps_the_memories_in_float32():
    oim = OIMLoss(5, feat_channels=6, queue_size=7)
    feats, person_ids = draw(9, 5, 0)
    with torch.autocast("cpu", torch.bfloat16):
        loss = oim(feats.bfloat16(), person_ids)
    assert loss.dtype == oim.lut.features.dtype == torch.float32


NUMBERS = [3, 7, 8, 480, 932]


def write_lut(path, table=None, numbers=NUMBERS, **others):
    """What training of a model with a LUT leaves."""
    table = F.normalize(torch.randn(5, 6)) if table is None else table
    weights = {"backbone.conv1.weight": torch.zeros(2), "roi_head.reid_head.loss_id.lut.features": table, **others}
    meta = dict(epoch=9, dataset_meta=dict(num_ids=len(numbers), identities=numbers)) if numbers is not None else {}
    torch.save(dict(state_dict=weights, meta=meta), path)
    return OIMLoss(5, feat_channels=6, queue_size=7, lut_checkpoint=str(path), freeze_lut=True), table


def load(oim):
    oim.load_frozen(oim, dict(identities=NUMBERS), resumed=False)


def test_frozen_lut_from_a_checkpoint(tmp_path):
    oim, table = write_lut(tmp_path / "teacher.pth")
    load(oim)
    assert torch.equal(oim.lut.features, table)
    oim(*draw(9, 5, 0))
    assert torch.equal(oim.lut.features, table)
    assert oim.queue.features.abs().sum() > 0


def test_frozen_lut_gives_the_definitions_loss_from_the_first_iteration(tmp_path):
    oim, table = write_lut(tmp_path / "teacher.pth")
    load(oim)
    slow = SlowOIM(5, 6, 7, momentum=0.5, scale=30.0)
    for seed in range(3):
        feats, person_ids = draw(11, 5, seed)
        slow.lut = table.tolist()
        expected, _ = slow.step(feats.tolist(), person_ids.tolist())
        assert oim(feats.float(), person_ids).item() == pytest.approx(expected, rel=1e-5)


def test_lut_of_a_checkpoint_that_is_not_frozen_goes_on(tmp_path):
    oim, table = write_lut(tmp_path / "teacher.pth")
    oim.freeze_lut = False
    load(oim)
    oim(F.normalize(torch.ones(1, 6)), torch.tensor([2]))
    changed = (oim.lut.features != table).any(dim=1)
    assert changed.tolist() == [False, False, True, False, False]


def test_lut_that_was_never_loaded_is_not_trained_with(tmp_path):
    oim, _ = write_lut(tmp_path / "teacher.pth")
    with pytest.raises(RuntimeError, match=r"teacher\.pth is not loaded: default_hooks needs .*FrozenPartsHook"):
        oim(*draw(9, 5, 0))
    oim.eval()(*draw(9, 5, 0))
    with pytest.raises(RuntimeError, match="freeze_lut keeps an empty LUT: give lut_checkpoint, or a load_from"):
        OIMLoss(5, feat_channels=6, freeze_lut=True)(*draw(9, 5, 0))


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([3, 7, 9, 480, 932], r"teacher\.pth is of other identities: row 2 is number 9 there and number 8 in the tr"),
        ([3, 8, 7, 480, 932], r"row 1 is number 8 there and number 7 in"),
        ([3, 7, 8, 480], r"row 4 is none there and number 932 in the training set \(4 identities there, 5 in"),
        ([3, 7, 8, 480, 932, 933], r"row 5 is number 933 there and none in the training set"),
        (None, r"meta\.dataset_meta\.identities is missing"),
    ],
)
def test_lut_of_other_identities(tmp_path, numbers, message):
    table = torch.randn(len(numbers or NUMBERS), 6)
    oim, _ = write_lut(tmp_path / "teacher.pth", table, numbers)
    with pytest.raises(ValueError, match=message):
        load(oim)
    assert oim.lut.features.abs().sum() == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"features": torch.zeros(5, 4), "meta": dict(dataset_meta=dict(identities=NUMBERS))},
            r"features has shape \(5, 4\), expected .* \(5, 6\)",
        ),
        ({"features": torch.zeros(5, 6), "meta": dict(dataset_meta=None)}, "identities is missing"),
        ({"features": torch.zeros(5, 6), "meta": None}, "identities is missing"),
        (
            {"backbone.a": torch.zeros(1), "b": torch.zeros(1), "c": torch.zeros(1), "d": torch.zeros(1)},
            r"expected one key 'features' or '\*.lut.features', found \[\] among 4 keys \(backbone\.a, b, c, \.\.\.\)",
        ),
        ({"a.lut.features": torch.zeros(5, 6), "b.lut.features": torch.zeros(5, 6)}, r"found \['a\.lut.*, 'b\.lut"),
    ],
)
def test_bad_lut_checkpoint(tmp_path, content, message):
    torch.save(content, tmp_path / "teacher.pth")
    oim = OIMLoss(5, feat_channels=6, lut_checkpoint=str(tmp_path / "teacher.pth"))
    with pytest.raises(ValueError, match=message):
        load(oim)


def test_missing_lut_checkpoint(tmp_path):
    oim = OIMLoss(5, feat_channels=6, lut_checkpoint=str(tmp_path / "none.pth"))
    with pytest.raises(FileNotFoundError, match=r"none\.pth"):
        load(oim)


def train_on_rank(rank, path):
    oim = OIMLoss(5, feat_channels=6, queue_size=7).double()
    for seed in range(4):
        feats, person_ids = draw(10, 5, seed)
        share = slice(0, 4) if rank == 0 else slice(4, 10)
        oim(feats[share], person_ids[share])
    torch.save(oim.state_dict(), f"{path}/{rank}.pth")


def test_two_processes_equal_one(tmp_path):
    run_in_two_processes(train_on_rank, str(tmp_path))
    oim = OIMLoss(5, feat_channels=6, queue_size=7).double()
    for seed in range(4):
        oim(*draw(10, 5, seed))
    for rank in range(2):
        there = torch.load(tmp_path / f"{rank}.pth")
        assert there.keys() == oim.state_dict().keys()
        assert all(torch.equal(there[key], value) for key, value in oim.state_dict().items())
