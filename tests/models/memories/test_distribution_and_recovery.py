"""Every memory under distribution, after recovery in another number of processes, and under autocast.

Several processes must leave the memory that one process with the joint batch leaves (rank 0's samples first), and
losses whose mean over the ranks is the joint batch's.
"""

import functools

import pytest
import torch
import torch.nn.functional as F
from distributed import run_in_processes

from mmpersonsearch.models import memories
from mmpersonsearch.models.losses import OIMLoss
from mmpersonsearch.models.memories import CircularQueue, ClassCenters, FeatureDictionary, LookupTable

IDS, DIM, STEPS = 9, 6, 20

# Of each memory, how to make it and how a step enters samples.
MEMORIES = {
    "LookupTable": (lambda: LookupTable(IDS, DIM), lambda memory, feats, ids: memory.update(feats, ids)),
    "CircularQueue": (lambda: CircularQueue(11, DIM), lambda memory, feats, ids: memory.update(feats[ids < 0])),
    "ClassCenters": (lambda: ClassCenters(IDS, DIM), lambda memory, feats, ids: memory.update(feats, ids)),
    "FeatureDictionary": (lambda: FeatureDictionary(17, DIM), lambda memory, feats, ids: memory.update(feats, ids)),
}


def test_every_memory_is_tested():
    assert set(memories.__all__) == set(MEMORIES)


def make_modules():
    """All memories, then two OIM losses with memories of their own: a usual one and one with a frozen LUT."""
    modules = {name: make() for name, (make, _) in MEMORIES.items()}
    modules["oim"] = OIMLoss(IDS, DIM, queue_size=11)
    modules["frozen"] = OIMLoss(IDS, DIM, queue_size=11, freeze_lut=True)
    g = torch.Generator().manual_seed(99)
    modules["frozen"].lut.features.copy_(F.normalize(torch.randn(IDS, DIM, generator=g)))
    return modules


@functools.cache
def draw_step(step):
    """One step's joint batch as parts for three ranks; two ranks take the last two parts as one."""
    g = torch.Generator().manual_seed(step)
    sizes = torch.randint(1, 9, (3,), generator=g).tolist()
    sizes[step % 3] = 0 if step % 4 == 3 else sizes[step % 3]  # a rank without any person
    parts = []
    for rank, size in enumerate(sizes):
        feats = F.normalize(torch.randn(size, DIM, generator=g))
        ids = torch.randint(-1, IDS, (size,), generator=g)
        if (step + rank) % 3 == 0:
            ids[:] = -1  # a rank without a labelled person
        parts.append((feats, ids))
    if step == 7:  # nobody has a labelled person
        parts = [(feats, torch.full_like(ids, -1)) for feats, ids in parts]
    if step == 13:  # nobody has any person
        parts = [(feats[:0], ids[:0]) for feats, ids in parts]
    return parts


def share(step, rank, world_size):
    parts = draw_step(step)
    first, last = {1: [(0, 3)], 2: [(0, 1), (1, 3)], 3: [(0, 1), (1, 2), (2, 3)]}[world_size][rank]
    mine = parts[first:last]
    return torch.cat([feats for feats, _ in mine]), torch.cat([ids for _, ids in mine])


def run_steps(modules, steps, rank=0, world_size=1):
    """Losses (steps, 2) and gradients of the features, of this rank's shares."""
    losses, grads = [], []
    for step in steps:
        feats, ids = share(step, rank, world_size)
        for name, (_, update) in MEMORIES.items():
            update(modules[name], feats, ids)
        feats = feats.clone().requires_grad_()
        both = torch.stack([modules[name](feats, ids) for name in ("oim", "frozen")])
        both.sum().backward()
        losses.append(both.detach())
        grads.append(feats.grad)
    return torch.stack(losses), grads


def state_of(modules):
    return {f"{name}.{key}": value for name, one in modules.items() for key, value in one.state_dict().items()}


def load_state(modules, state):
    for name, one in modules.items():
        one.load_state_dict({k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(f"{name}.")})


def train_on_rank(rank, world_size, path, first, last):
    modules = make_modules()
    if first:
        load_state(modules, torch.load(f"{path}/checkpoint.pth"))
    losses, grads = run_steps(modules, range(first, last), rank, world_size)
    torch.save((state_of(modules), losses, grads), f"{path}/{world_size}_{rank}.pth")


def train(world_size, path, first=0, last=STEPS):
    """What each rank is left with."""
    run_in_processes(world_size, train_on_rank, world_size, str(path), first, last)
    return [torch.load(path / f"{world_size}_{rank}.pth") for rank in range(world_size)]


def assert_same_state(one, other):
    assert one.keys() == other.keys()
    assert [key for key in one if not torch.equal(one[key], other[key])] == []


@pytest.fixture(scope="module")
def joint():
    modules = make_modules()
    losses, grads = run_steps(modules, range(STEPS))
    return state_of(modules), losses, grads


def test_the_steps_are_uneven():
    """What the other tests rest on."""
    steps = [[share(step, rank, 3)[1] for rank in range(3)] for step in range(STEPS)]
    counts = [[int((ids >= 0).sum()) for ids in ranks] for ranks in steps]
    assert any(len(set(c)) == 3 for c in counts)
    assert any(0 in c and sum(c) for c in counts) and any(sum(c) == 0 for c in counts)
    assert any(len(ids) == 0 for ranks in steps for ids in ranks)
    assert any(sum(len(ids) for ids in ranks) == 0 for ranks in steps)
    for world_size in (2, 3):
        for step in range(STEPS):
            parts = [share(step, rank, world_size) for rank in range(world_size)]
            assert torch.equal(torch.cat([feats for feats, _ in parts]), share(step, 0, 1)[0])


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_equal_one(world_size, joint, tmp_path):
    state, losses, grads = joint
    ranks = train(world_size, tmp_path)
    for rank_state, *_ in ranks:
        assert_same_state(rank_state, state)
    mean_losses = torch.stack([rank_losses for _, rank_losses, _ in ranks]).mean(0)
    assert torch.allclose(mean_losses, losses, atol=1e-5)
    for step in range(STEPS):
        # DDP takes the mean of the ranks' gradients.
        rank_grads = torch.cat([rank_grads[step] for *_, rank_grads in ranks]) / world_size
        assert torch.allclose(rank_grads, grads[step], atol=1e-5)


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2), (3, 2)])
def test_resumed_in_another_number_of_processes(before, after, joint, tmp_path):
    (state, *_), *_ = train(before, tmp_path, last=8)
    assert state["CircularQueue.head"] > 0 and state["LookupTable.features"].abs().sum() > 0
    torch.save(state, tmp_path / "checkpoint.pth")
    for resumed, *_ in train(after, tmp_path, first=8):
        assert_same_state(resumed, joint[0])


@pytest.mark.parametrize("name", [*MEMORIES, "oim", "frozen"])
def test_bfloat16_features_under_autocast_leave_float32_memories(name):
    """Autocast rounds the features, and nothing after them."""
    mixed, plain = make_modules()[name], make_modules()[name]
    update = MEMORIES[name][1] if name in MEMORIES else lambda memory, feats, ids: memory(feats, ids)
    for step in range(4):
        feats, ids = share(step, 0, 1)
        rounded = feats.bfloat16()
        with torch.autocast("cpu", torch.bfloat16):
            loss = update(mixed, rounded, ids)
        expected = update(plain, rounded.float(), ids)
        if loss is not None:
            assert loss.dtype == torch.float32
            assert torch.equal(loss, expected)
    assert {value.dtype for value in mixed.state_dict().values()} <= {torch.float32, torch.int64}
    assert_same_state(mixed.state_dict(), plain.state_dict())
