import pytest
import torch
from distributed import run_in_two_processes
from mmengine.model import MMDistributedDataParallel
from tiny_models import build_model, draw_batch

SIZE = (96, 128)


def train_on_rank(rank, variant, path):
    """Three steps; in the second, one of the two ranks has no person at all."""
    model = build_model(variant).train()
    wrapped = MMDistributedDataParallel(model, broadcast_buffers=False)  # as the runner does
    optimizer = torch.optim.SGD(wrapped.parameters(), 0.01)
    for step in range(3):
        persons = [2, 1] if (step, rank) != (1, 1) else [0, 0]
        images, samples = draw_batch(persons, size=SIZE, seed=10 * step + rank)
        torch.manual_seed(step)
        loss, _ = model.parse_losses(wrapped(images, samples, mode="loss"))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.save(model.state_dict(), f"{path}/{rank}.pth")


# Of the others test_equal_over_ranks.py shows more.
@pytest.mark.parametrize("variant", ["_baseline", "_wo-ktb"])
def test_ranks_keep_the_same_weights_and_memories(variant, tmp_path):
    run_in_two_processes(train_on_rank, variant, str(tmp_path))
    one, other = (torch.load(tmp_path / f"{rank}.pth") for rank in range(2))
    own_of_each_rank = ("running_mean", "running_var", "num_batches_tracked")
    differing = [key for key in one if not key.endswith(own_of_each_rank) and not torch.equal(one[key], other[key])]
    assert differing == []
