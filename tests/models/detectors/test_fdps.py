"""FDPS and its ablations as their configs have them."""

import pytest
import torch
import torch.nn.functional as F
from mmdet.structures.bbox import bbox2roi
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from tiny_models import CONFIGS, NUM_IDS, draw_batch

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.config_files import find_config

SYNTH = [f"fdps_r18_synth{variant}" for variant in ("", "_oim-base", "_flatten", "_parameter-base", "_boim")]
LEAVES = sorted(path.stem for path in CONFIGS.glob("fdps/*.py"))


def read(name):
    cfg = Config.fromfile(find_config(name))
    init_default_scope(cfg.default_scope)
    return cfg


def build(name):
    torch.manual_seed(0)
    cfg = read(name).model
    cfg.test_cfg.rcnn.score_thr = 0.0
    cfg.roi_head.reid_head.num_ids = NUM_IDS
    return MODELS.build(cfg)


@pytest.mark.parametrize(
    ("name", "num_persons"), [*((name, [3, 2]) for name in SYNTH), *((name, [0, 0]) for name in SYNTH[-2:])]
)
def test_loss_reaches_every_parameter(name, num_persons):
    model = build(name).train()
    loss, logged = model.parse_losses(model.loss(*draw_batch(num_persons)))
    assert {"loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox", "loss_id"} <= logged.keys()
    assert torch.isfinite(loss)
    loss.backward()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


@torch.no_grad()
@pytest.mark.parametrize("name", SYNTH)
def test_detects_and_embeds(name):
    images, samples = draw_batch([2, 1], num_queries=[1, 1])
    for sample in build(name).eval().predict(images, samples):
        found = sample.pred_instances
        assert len(found) > 0 and found.reid_feats.shape == (len(found), 256)
        assert torch.allclose(found.reid_feats.norm(dim=1), torch.ones(len(found)), atol=1e-5)
        assert sample.query_instances.reid_feats.shape == (1, 256)


@torch.no_grad()
@pytest.mark.parametrize("name", SYNTH)
def test_no_proposal(name):
    model = build(name)
    images, samples = draw_batch([0, 0], num_queries=[0, 0])
    x = model.extract_feat(images)
    nothing = [InstanceData(bboxes=torch.zeros(0, 4), scores=torch.zeros(0)) for _ in samples]
    losses = model.train().roi_head.loss(x, [one.clone() for one in nothing], samples, images)
    assert losses["loss_id"] == 0 and losses["loss_bbox"] == 0
    results = model.eval().roi_head.predict_boxes(x, nothing, samples)
    assert [one.reid_feats.shape for one in results] == [(0, 256), (0, 256)]


@torch.no_grad()
def test_each_task_reads_its_share_of_one_map():
    """Equations 2 to 5 from the model's own maps."""
    model = build("fdps_r18_synth").eval()
    head = model.roi_head
    x = model.extract_feat(draw_batch([1])[0])
    maps = head.extract_maps(x, bbox2roi([torch.tensor([[8.0, 8, 40, 60], [20, 5, 50, 80]])]))
    assert maps.shape == (2, 512, 4, 2)
    scores, deltas = head.bbox_head(maps)
    torch.testing.assert_close(scores, head.bbox_head.fc_cls(maps.mean((2, 3))))
    torch.testing.assert_close(deltas[:, 0::2], head.bbox_head.fc_reg["x"](maps.mean(2).flatten(1)))
    torch.testing.assert_close(deltas[:, 1::2], head.bbox_head.fc_reg["y"](maps.mean(3).flatten(1)))
    expected = F.normalize(head.reid_head.reduction(maps.amax((2, 3))))
    torch.testing.assert_close(head.reid_head.predict(maps), expected)


@torch.no_grad()
def test_what_the_ablations_read():
    """Table 1: the maximum for all tasks; the whole map for detection; convolutions for all."""
    maps = torch.randn(2, 512, 4, 2)
    base, flat, convs = (build(f"fdps_r18_synth_{v}").roi_head for v in ("oim-base", "flatten", "parameter-base"))
    biggest = maps.amax((2, 3))
    for head, feats in ((base, biggest), (flat, maps.flatten(1))):
        scores, deltas = head.bbox_head(maps)
        torch.testing.assert_close(scores, head.bbox_head.fc_cls(feats))
        torch.testing.assert_close(deltas, head.bbox_head.fc_reg(feats))
        torch.testing.assert_close(head.reid_head.predict(maps), F.normalize(head.reid_head.reduction(biggest)))
    pooled = convs.reid_head.pooling(maps)
    torch.testing.assert_close(convs.reid_head.predict(maps), F.normalize(convs.reid_head.reduction(pooled)))
    assert pooled.shape == (2, 512)
    sizes = {name: p.numel() for name, p in convs.named_parameters() if p.dim() == 3}
    along_x, along_y = 2 * 512 * 512, 4 * 512 * 512  # w * C to C for each y, h * C to C for each x
    assert sizes == {
        "bbox_head.over_x.weight": along_x,
        "bbox_head.over_y.weight": along_y,
        "bbox_head.over_both.over_x.weight": along_x,
        "bbox_head.over_both.over_y.weight": along_y,
        "reid_head.pooling.over_x.weight": along_x,
        "reid_head.pooling.over_y.weight": along_y,
    }


def test_terms_of_the_loss():
    """Table 2."""
    terms = {"": None, "_boim-w": (True, False), "_boim-neg": (False, True), "_boim": (True, True)}
    for base in ("fdps_r50_prw", "fdps_r18_synth"):
        for variant, expected in terms.items():
            loss = MODELS.build(dict(read(base + variant).model.roi_head.reid_head.loss_id, num_ids=NUM_IDS))
            assert (type(loss).__name__ == "OIMLoss") == (expected is None)
            assert expected is None or (loss.with_w, loss.with_neg) == expected
            assert (loss.scale, loss.queue.size) == (30.0, 500)


@pytest.mark.parametrize("name", [name for name in LEAVES if "synth" not in name])
def test_the_papers_training(name):
    cfg = read(name)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        resize = [step for step in loader.dataset.pipeline if step.type == "mmdet.Resize"]
        assert [(step.scale, step.keep_ratio) for step in resize] == [((1500, 900), True)]
    assert cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size == 5
    optimizer = dict(type="SGD", lr=0.003, momentum=0.9, weight_decay=5e-4)
    assert cfg.optim_wrapper.optimizer.to_dict() == optimizer
    (schedule,) = cfg.param_scheduler
    assert (schedule.milestones, schedule.gamma, schedule.get("by_epoch", True)) == ([14], 0.1, True)


@torch.no_grad()
def test_maps_at_full_size():
    model = build("fdps_r50_cuhk").eval()
    (x,) = model.extract_feat(torch.randn(1, 3, 64, 96))
    maps = model.roi_head.extract_maps((x,), torch.tensor([[0, 8.0, 8, 40, 60]]))
    assert maps.shape == (1, 2048, 7, 7)
    assert [part.shape[1] for part in model.roi_head.bbox_head.decompose(maps)] == [7 * 2048, 7 * 2048, 2048]
