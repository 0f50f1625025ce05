import pytest
import torch
import torch.nn.functional as F
from distributed import run_in_two_processes

from mmpersonsearch.models.memories import CircularQueue, ClassCenters, FeatureDictionary, LookupTable
from mmpersonsearch.models.memories.lookup_table import occurrence_numbers


def slow_lut(table, feats, person_ids, momentum):
    """The definition: one sample after the other."""
    table = table.clone()
    for x, y in zip(feats, person_ids.tolist()):
        if y >= 0:
            row = momentum * table[y] + (1 - momentum) * x
            table[y] = row / row.norm().clamp(min=1e-12)
    return table


def slow_queue(table, head, feats):
    table = table.clone()
    for x in feats:
        table[head] = x
        head = (head + 1) % len(table)
    return table, head


def draw(n, ids, seed, dim=8):
    g = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(n, dim, generator=g)), torch.randint(-1, ids, (n,), generator=g)


def test_occurrence_numbers():
    assert occurrence_numbers(torch.tensor([4, 7, 4, 4, 7, 0])).tolist() == [0, 0, 1, 2, 1, 0]
    assert occurrence_numbers(torch.tensor([], dtype=torch.int64)).tolist() == []


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_lookup_table_is_sequential(momentum):
    lut = LookupTable(4, 8, momentum)
    expected = lut.features.clone()
    for seed in range(6):
        feats, person_ids = draw(17, 4, seed)  # every identity repeats
        expected = slow_lut(expected, feats, person_ids, momentum)
        lut.update(feats, person_ids)
        assert torch.allclose(lut.features, expected, atol=1e-6)


def test_lookup_table_by_hand():
    lut = LookupTable(2, 2)
    lut.update(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]), torch.tensor([1, 1, -1]))
    assert torch.allclose(lut.features, torch.tensor([[0.0, 0.0], [0.5**0.5, 0.5**0.5]]))


def test_lookup_table_refuses_unknown_identity():
    with pytest.raises(ValueError, match="person_id 3, but num_ids is 3"):
        LookupTable(3, 8).update(torch.ones(1, 8), torch.tensor([3]))


@pytest.mark.parametrize("size", [1, 5, 8])
def test_queue_is_sequential(size):
    queue = CircularQueue(size, 8)
    expected, head = queue.features.clone(), 0
    for seed, n in enumerate([3, 0, 4, 13, 1]):
        feats, _ = draw(n, 4, seed)
        expected, head = slow_queue(expected, head, feats)
        queue.update(feats)
        assert torch.equal(queue.features, expected)
        assert queue.head == head


def test_queue_goes_on_after_saving():
    queue, resumed = CircularQueue(5, 8), CircularQueue(5, 8)
    queue.update(draw(3, 4, 0)[0])
    resumed.load_state_dict(queue.state_dict())
    for one in (queue, resumed):
        one.update(draw(4, 4, 1)[0])
    assert torch.equal(queue.features, resumed.features)


def test_empty_queue():
    queue = CircularQueue(0, 8)
    queue.update(torch.ones(3, 8))
    assert queue.features.shape == (0, 8)


def slow_centers(table, feats, person_ids, momentum):
    """DC-I-Net's equation 7: one sample after the other."""
    table = table.clone()
    for x, y in zip(feats, person_ids.tolist()):
        if y >= 0:
            table[y] = momentum * table[y] + (1 - momentum) * x
    return table


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_class_centers_are_sequential(momentum):
    centers = ClassCenters(4, 8, momentum)
    expected = centers.features.clone()
    for seed in range(6):
        feats, person_ids = draw(17, 4, seed)
        expected = slow_centers(expected, feats, person_ids, momentum)
        centers.update(feats, person_ids)
        assert torch.allclose(centers.features, expected, atol=1e-6)


def test_class_centers_by_hand():
    """They are not normalised, so that their direction is not the LUT's."""
    centers, lut = ClassCenters(2, 2), LookupTable(2, 2)
    for one in (centers, lut):
        one.update(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]), torch.tensor([1, 1, -1]))
    assert centers.features.tolist() == [[0, 0], [0.25, 0.5]]
    assert torch.allclose(lut.features[1], torch.tensor([0.5**0.5, 0.5**0.5]))
    with pytest.raises(ValueError, match="ClassCenters: person_id 2, but num_ids is 2"):
        centers.update(torch.ones(1, 2), torch.tensor([2]))


@pytest.mark.parametrize("size", [0, 1, 5, 8])
def test_feature_dictionary_is_a_fifo(size):
    dictionary, resumed, fifo = FeatureDictionary(size, 8), FeatureDictionary(size, 8), []
    for seed, n in enumerate([0, 3, 0, 4, 13, 1]):
        feats, person_ids = draw(n, 4, seed)
        fifo = [*fifo, *zip(feats.tolist(), person_ids.tolist())][-size:] if size else []
        dictionary.update(feats, person_ids)
        entries, entry_ids = dictionary.filled()
        key = lambda entry: (entry[1], entry[0])  # noqa: E731
        assert sorted(zip(entries.tolist(), entry_ids.tolist()), key=key) == sorted(fifo, key=key)
        resumed.load_state_dict(dictionary.state_dict())
        dictionary, resumed = resumed, dictionary  # saving loses nothing


def test_feature_dictionarys_entries_outlive_the_next_update():
    dictionary = FeatureDictionary(3, 8)
    dictionary.update(*draw(3, 4, 0))
    entries, entry_ids = dictionary.filled()
    dictionary.update(*draw(3, 4, 1))
    assert torch.equal(entries, draw(3, 4, 0)[0]) and torch.equal(entry_ids, draw(3, 4, 0)[1])


@pytest.mark.parametrize("memory", [LookupTable, ClassCenters, FeatureDictionary])
def test_samples_that_are_not_finite_do_not_enter(memory):
    spoilt, clean = memory(5, 8), memory(5, 8)
    feats, person_ids = draw(9, 4, 0)
    dropped = feats.clone()
    dropped[3, 1], dropped[6, 7] = torch.nan, -torch.inf
    spoilt.update(dropped, person_ids)
    rest = [i for i in range(9) if i not in (3, 6)]
    clean.update(feats[rest], person_ids[rest])
    for name, value in clean.state_dict().items():
        assert torch.equal(spoilt.state_dict()[name], value), name


def update_on_rank(rank, path):
    lut, queue = LookupTable(4, 8), CircularQueue(7, 8)
    for seed in range(5):
        feats, person_ids = draw(9, 4, seed)
        share = slice(0, 6) if rank == 0 else slice(6, 9)
        if seed == 3:  # one rank without any sample
            share = slice(0, 0) if rank == 0 else slice(0, 9)
        feats, person_ids = feats[share], person_ids[share]
        lut.update(feats, person_ids)
        queue.update(feats[person_ids < 0])
    torch.save([lut.state_dict(), queue.state_dict()], f"{path}/{rank}.pth")


def test_two_processes_equal_one(tmp_path):
    run_in_two_processes(update_on_rank, str(tmp_path))
    lut, queue = LookupTable(4, 8), CircularQueue(7, 8)
    for seed in range(5):
        feats, person_ids = draw(9, 4, seed)
        lut.update(feats, person_ids)
        queue.update(feats[person_ids < 0])
    for rank in range(2):
        lut_there, queue_there = torch.load(tmp_path / f"{rank}.pth")
        assert torch.equal(lut_there["features"], lut.features)
        assert torch.equal(queue_there["features"], queue.features)
        assert torch.equal(queue_there["head"], queue.head)
