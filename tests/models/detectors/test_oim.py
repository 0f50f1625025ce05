"""OIM and its detector as their configs have them."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from tiny_models import NUM_IDS, draw_batch

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.config_files import find_config

torchvision = pytest.importorskip("torchvision")  # behind our package, which makes it importable


def read(name):
    cfg = Config.fromfile(find_config(name))
    init_default_scope(cfg.default_scope)
    return cfg


def build(name):
    torch.manual_seed(0)
    cfg = read(name).model
    cfg.test_cfg.rcnn.score_thr = 0.0
    if "reid_head" in cfg.roi_head:
        cfg.roi_head.reid_head.num_ids = NUM_IDS
    return MODELS.build(cfg)


@pytest.mark.parametrize("name", ["oim_r18_synth", "faster-rcnn_r18-c4_synth"])
@pytest.mark.parametrize("num_persons", [[3, 2], [1, 0], [0, 0]])
def test_loss_reaches_every_parameter(name, num_persons):
    model = build(name).train()
    loss, logged = model.parse_losses(model.loss(*draw_batch(num_persons)))
    expected = {"loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox"} | ({"loss_id"} if "oim" in name else set())
    assert expected <= logged.keys()
    assert torch.isfinite(loss)
    loss.backward()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


@torch.no_grad()
def test_embedding_is_the_normalised_linear_map_of_conv5():
    """Xiao et al.: no batch norm between the 256-d layer and the normalisation."""
    model = build("oim_r18_synth").eval()
    head = model.roi_head.reid_head
    maps = torch.randn(3, 512, 7, 7)
    expected = F.normalize(maps.mean((2, 3)) @ head.reduction.weight.T + head.reduction.bias)
    assert torch.allclose(head.predict(maps), expected, atol=1e-6)
    assert torch.allclose(head.train().predict(maps[:1]), expected[:1], atol=1e-6)
    assert not any("bn" in key for key in head.state_dict())


@torch.no_grad()
@pytest.mark.parametrize("name", ["oim_r18_synth", "faster-rcnn_r18-c4_synth"])
def test_detects_and_embeds(name):
    images, samples = draw_batch([2, 1], num_queries=[1, 1] if "oim" in name else None)
    for sample in build(name).eval().predict(images, samples):
        found = sample.pred_instances
        assert len(found) > 0 and len(found.scores) == len(found.bboxes)
        if "oim" in name:
            assert found.reid_feats.shape == (len(found), 256)
            assert torch.allclose(found.reid_feats.norm(dim=1), torch.ones(len(found)), atol=1e-5)
            assert sample.query_instances.reid_feats.shape == (1, 256)


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize("kind", ["oim_r{}_cuhk", "faster-rcnn_r{}-c4_cuhk"])
def test_torchvisions_weights_fill_base_and_shared_head(kind, depth, tmp_path, monkeypatch):
    weights = getattr(torchvision.models, f"resnet{depth}")().state_dict()
    weights = {key: torch.rand_like(value) if value.is_floating_point() else value for key, value in weights.items()}
    torch.save(weights, tmp_path / "published.pth")
    monkeypatch.setenv(f"R{depth}_WEIGHTS", str(tmp_path / "published.pth"))
    model = build(kind.format(depth))
    model.init_weights()
    base, shared = model.backbone.state_dict(), model.roi_head.shared_head.state_dict()
    assert not base.keys() & shared.keys()
    assert {key for key in weights if not key.startswith("fc.")} == base.keys() | shared.keys()
    assert all(torch.equal(value, weights[key]) for key, value in {**base, **shared}.items() if "num_" not in key)
    assert {key.split(".")[0] for key in shared} == {"layer4"}


@pytest.mark.parametrize("name", ["oim_r18_cuhk", "faster-rcnn_r18-c4_cuhk"])
def test_no_weights_means_from_scratch(name, monkeypatch):
    monkeypatch.setenv("R18_WEIGHTS", "none")
    model = build(name)
    before = [p.clone() for p in model.roi_head.shared_head.parameters()]
    model.init_weights()
    after = list(model.roi_head.shared_head.parameters())
    assert any(not torch.equal(one, other) for one, other in zip(before, after))
    assert all(torch.isfinite(p).all() for p in model.parameters())


@torch.no_grad()
@pytest.mark.parametrize(("depth", "base", "shared"), [(18, 256, 512), (50, 1024, 2048)])
def test_conv4_feeds_rpn_and_rois_and_conv5_runs_on_rois_of_14(depth, base, shared):
    model = build(f"oim_r{depth}_cuhk").eval()
    (x,) = model.extract_feat(torch.randn(1, 3, 64, 96))
    assert x.shape == (1, base, 4, 6)
    rois = torch.tensor([[0, 8.0, 8, 40, 60]])
    assert model.roi_head.bbox_roi_extractor((x,), rois).shape == (1, base, 14, 14)
    assert model.roi_head.extract_maps((x,), rois).shape == (1, shared, 7, 7)
    scores, deltas = model.rpn_head((x,))
    assert scores[0].shape == (1, 9, 4, 6) and deltas[0].shape == (1, 36, 4, 6)


SIZES = {"": (1000, 600), "_900": (1500, 900)}


@pytest.mark.parametrize("variant", SIZES)
@pytest.mark.parametrize("data", ["cuhk", "prw"])
def test_short_side(data, variant):
    cfg = read(f"oim_r50_{data}{variant}")
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        resize = [step for step in loader.dataset.pipeline if step.type == "mmdet.Resize"]
        assert [(step.scale, step.keep_ratio) for step in resize] == [(SIZES[variant], True)]
    assert cfg.train_dataloader.batch_size == 2


def test_weights_of_the_loss():
    for variant, weight in (("", 1.0), ("_lambda-0.6", 0.6), ("_lambda-0.3", 0.3), ("_lambda-0.1", 0.1)):
        loss = build(f"oim_r18_synth{variant}").roi_head.reid_head.loss_id
        assert (loss.loss_weight, loss.freeze_lut, loss.lut_checkpoint) == (weight, False, None)
    loss = build("oim_r18_synth_kd-reid").roi_head.reid_head.loss_id
    assert (loss.loss_weight, loss.freeze_lut) == (0.1, True)


def test_lut_checkpoint_is_named_by_the_environment(monkeypatch):
    loss_id = read("oim_r18_cuhk_kd-reid").model.roi_head.reid_head.loss_id
    assert loss_id.lut_checkpoint == "work_dirs/oim_r50_cuhk/epoch_9.pth"
    monkeypatch.setenv("LUT_CHECKPOINT", "elsewhere.pth")
    assert read("oim_r18_cuhk_kd-reid").model.roi_head.reid_head.loss_id.lut_checkpoint == "elsewhere.pth"
