"""Losses on pairs, and on a pool of classes, in several processes: the joint batch's, gradients and all."""

import pytest
import torch
import torch.nn.functional as F
from distributed import run_in_processes

from mmpersonsearch.models.losses import (
    BatchHardTripletLoss,
    C2HEPLoss,
    ContrastiveLoss,
    HEPLoss,
    OLPLoss,
    select_priority_classes,
)

IDS, DIM = 9, 6
# Samples of three ranks in each step: uneven, a rank without any, nobody with any.
STEPS = [(5, 2, 6), (6, 5, 3), (0, 7, 4), (4, 4, 4), (0, 0, 0), (5, 6, 2)]


def make_losses():
    torch.manual_seed(0)
    return dict(
        olp=OLPLoss(DIM, dictionary_size=17),
        hep=HEPLoss(IDS, DIM),
        c2hep=C2HEPLoss(IDS, DIM),
        contrastive=ContrastiveLoss(),
        triplet=BatchHardTripletLoss(),
    )


def share(step, rank, world_size):
    """This rank's part of a step's batch; two ranks take the last two parts as one."""
    g = torch.Generator().manual_seed(step)
    parts = []
    for part, size in enumerate(STEPS[step]):
        ids = torch.randint(-1, 3 * (part + 1), (size,), generator=g)  # identities that ranks share
        if (step, part) == (3, 1):
            ids[:] = -1  # a rank without a labelled person
        parts.append((F.normalize(torch.randn(size, DIM, generator=g)), ids))
    first, last = {1: [(0, 3)], 2: [(0, 1), (1, 3)], 3: [(0, 1), (1, 2), (2, 3)]}[world_size][rank]
    feats, ids = zip(*parts[first:last])
    return torch.cat(feats).requires_grad_(), torch.cat(ids)


def run_steps(rank, world_size):
    """By step: the losses, their gradients of the features and of HEP's classifier, and the pool."""
    losses = make_losses()
    found = []
    for step in range(len(STEPS)):
        feats, ids = share(step, rank, world_size)
        torch.manual_seed(100 * rank + step)  # ranks draw differently, but rank 0's draw counts
        pool = select_priority_classes(ids, IDS, 7, losses["olp"].hardest_negatives(feats, ids, 2))
        values = [one(feats, ids, *([pool] if "hep" in name else [])) for name, one in losses.items()]
        grads = [torch.autograd.grad(value, feats, retain_graph=True)[0] for value in values]
        classifier = torch.autograd.grad(values[1], losses["hep"].classifier.weight)[0]
        found.append((torch.stack(values).detach(), torch.stack(grads), classifier, pool))
    memories = {f"{name}.{key}": value for name, one in losses.items() for key, value in one.state_dict().items()}
    return found, memories


def save_steps(rank, world_size, path):
    torch.save(run_steps(rank, world_size), f"{path}/{rank}.pth")


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_equal_one(world_size, tmp_path):
    run_in_processes(world_size, save_steps, world_size, str(tmp_path))
    ranks = [torch.load(tmp_path / f"{rank}.pth") for rank in range(world_size)]
    joint, memories = run_steps(0, 1)
    assert (torch.stack([losses for losses, *_ in joint]) > 0).sum(0).tolist() == [4, 5, 5, 5, 5]
    for step, (losses, grads, classifier, pool) in enumerate(joint):
        there = [found[step] for found, _ in ranks]
        assert torch.allclose(torch.stack([one[0] for one in there]).mean(0), losses, atol=1e-6)
        # DDP takes the mean of the ranks' gradients.
        assert torch.allclose(torch.cat([one[1] for one in there], dim=1) / world_size, grads, atol=1e-6)
        assert torch.allclose(torch.stack([one[2] for one in there]).mean(0), classifier, atol=1e-6)
        assert all(torch.equal(one[3], pool) for one in there)
    for _, there in ranks:
        assert there.keys() == memories.keys()
        assert [key for key in there if not torch.equal(there[key], memories[key])] == []
