import pytest
import torch
from distributed import run_in_two_processes
from mmengine.model import MMDistributedDataParallel
from tiny_models import VARIANTS, build_model, draw_batch

SIZE = (96, 128)


def train_on_rank(rank, variant, path):
    """Three steps; in the second, one of the two ranks has no person at all."""
    model = build_model(variant).train()
    wrapped = MMDistributedDataParallel(model)
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


@pytest.mark.parametrize("variant", VARIANTS)
def test_ranks_keep_the_same_weights_and_memories(variant, tmp_path):
    run_in_two_processes(train_on_rank, variant, str(tmp_path))
    one, other = (torch.load(tmp_path / f"{rank}.pth") for rank in range(2))
    own_of_each_rank = ("running_mean", "running_var", "num_batches_tracked")
    differing = [key for key in one if not key.endswith(own_of_each_rank) and not torch.equal(one[key], other[key])]
    assert differing == []
    if "oim-star" in variant:
        assert (one["roi_head.reid_head.loss_id.lut.features"].norm(dim=1) > 0).sum() >= 3
