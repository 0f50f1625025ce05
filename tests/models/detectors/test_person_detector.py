import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from tiny_models import SYNTH, draw_batch

from mmpersonsearch.registry import MODELS


def build_detector(kind="PersonDetector"):
    init_default_scope("mmpersonsearch")
    torch.manual_seed(0)
    cfg = Config.fromfile(SYNTH / "two_step/faster-rcnn_r18ibn_synth.py").model
    cfg.test_cfg.rcnn.score_thr = 0.0
    return MODELS.build(dict(cfg, type=kind))


@pytest.mark.parametrize("num_persons", [[3, 2], [0, 2], [0, 0]])
def test_loss_reaches_every_parameter(num_persons):
    model = build_detector().train()
    loss, logged = model.parse_losses(model.loss(*draw_batch(num_persons)))
    assert {"loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox"} <= logged.keys()
    assert torch.isfinite(loss)
    loss.backward()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


def test_autocast_trains():
    model = build_detector().train()
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = model.parse_losses(model.loss(*draw_batch([2, 1])))
    loss.backward()
    assert torch.isfinite(loss)


@torch.no_grad()
def test_results_are_mmdetections():
    images, samples = draw_batch([2, 1], scale=0.5)
    model, reference = build_detector().eval(), build_detector("mmdet.FasterRCNN").eval()
    expected = reference.predict(images, [sample.clone() for sample in samples])
    for result, other in zip(model.predict(images, samples), expected):
        assert len(result.pred_instances) > 0
        assert torch.equal(result.pred_instances.bboxes, other.pred_instances.bboxes)
        assert torch.equal(result.pred_instances.scores, other.pred_instances.scores)
