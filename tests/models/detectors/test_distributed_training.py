import pytest
import torch
from distributed import run_in_two_processes
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import init_default_scope
from tiny_models import NUM_IDS, SYNTH, VARIANTS, build_model, draw_batch

from mmpersonsearch.registry import MODELS

SIZE = (96, 128)


def train_on_rank(rank, variant, path):
    """Three steps; in the second, one of the two ranks has no person at all."""
    model = (build_distilled() if variant == "kd-det" else build_model(variant)).train()
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


def build_distilled():
    init_default_scope("mmpersonsearch")
    torch.manual_seed(0)
    cfg = Config.fromfile(SYNTH / "oim/oim_r18_synth_kd-det.py").model
    cfg.roi_head.reid_head.num_ids = NUM_IDS
    model = MODELS.build(cfg)
    model.teacher.loaded = True
    return model


@pytest.mark.parametrize("variant", [*VARIANTS, "kd-det"])
def test_ranks_keep_the_same_weights_and_memories(variant, tmp_path):
    run_in_two_processes(train_on_rank, variant, str(tmp_path))
    one, other = (torch.load(tmp_path / f"{rank}.pth") for rank in range(2))
    own_of_each_rank = ("running_mean", "running_var", "num_batches_tracked")
    differing = [key for key in one if not key.endswith(own_of_each_rank) and not torch.equal(one[key], other[key])]
    assert differing == []
    if "oim-star" in variant or variant == "kd-det":
        assert (one["roi_head.reid_head.loss_id.lut.features"].norm(dim=1) > 0).sum() >= 3
