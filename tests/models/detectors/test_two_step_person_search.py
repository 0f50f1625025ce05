import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import init_default_scope
from tiny_models import NUM_IDS, SYNTH, draw_batch

from mmpersonsearch.registry import MODELS

ANY_SCORE = dict(score_thr=0.0, max_per_img=5)


def read_two_step_config(**rcnn_test_cfg):
    """The synthetic set's two-step model with BoT; untrained, it has detections only at a low threshold."""
    init_default_scope("mmpersonsearch")
    cfg = Config.fromfile(SYNTH / "two_step/faster-rcnn_bot_synth.py").model
    cfg.reid.head.num_ids = NUM_IDS
    cfg.detector.test_cfg.rcnn.update(rcnn_test_cfg or ANY_SCORE)
    return cfg


def build_two_step(cfg=None):
    torch.manual_seed(0)
    model = MODELS.build(read_two_step_config() if cfg is None else cfg).eval()
    for module in model.reid.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):  # as if trained
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model


def crop_by_hand(image, box, size=(128, 64)):
    """The mean of 2 x 2 bilinear samples in each bin of a grid on the box."""
    height, width = image.shape[-2:]
    x1, y1, x2, y2 = box.tolist()
    xs = x1 + (torch.arange(2 * size[1]) + 0.5) * (x2 - x1) / (2 * size[1])
    ys = y1 + (torch.arange(2 * size[0]) + 0.5) * (y2 - y1) / (2 * size[0])
    grid = torch.stack(torch.meshgrid(2 * xs / width - 1, 2 * ys / height - 1, indexing="xy"), dim=-1)
    samples = F.grid_sample(image[None], grid[None], mode="bilinear", padding_mode="border", align_corners=False)
    return F.avg_pool2d(samples, 2)


def embed_by_hand(model, image, box):
    feat_map = model.reid.backbone(crop_by_hand(image, box))[-1]
    feat = model.reid.head.bn(feat_map.mean(dim=(2, 3)))[0]
    return feat / feat.norm()


@pytest.mark.parametrize("scale", [1.0, 0.5])
@torch.no_grad()
def test_results_are_those_of_detector_and_reid_model_by_hand(scale):
    model = build_two_step()
    images, samples = draw_batch([2, 3], num_queries=[2, 1], scale=scale)
    expected = model.detector.predict(images, [sample.clone() for sample in samples], rescale=True)
    expected = [sample.pred_instances.clone() for sample in expected]
    results = model.predict(images, samples)
    for image, result, found in zip(images, results, expected):
        assert len(found) == 5
        got = result.pred_instances
        assert torch.allclose(got.bboxes, found.bboxes, atol=1e-3)
        assert torch.equal(got.scores, found.scores) and (got.labels == 0).all()
        for boxes, feats in ((found.bboxes, got.reid_feats), (result.query_instances.bboxes, None)):
            feats = result.query_instances.reid_feats if feats is None else feats
            assert feats.shape == (len(boxes), 512) and feats.dtype == torch.float32
            for box, feat in zip(boxes, feats):
                assert torch.allclose(feat, embed_by_hand(model, image, box * scale), atol=1e-4)
    # different persons do not look alike to it, else the comparison says nothing
    first = results[0].pred_instances.reid_feats
    assert (first[0] - first[1]).abs().max() > 1e-2


@torch.no_grad()
def test_boxes_in_pixels_of_the_input():
    model = build_two_step()
    images, samples = draw_batch([1], scale=0.5)
    (input_pixels,) = model.predict(images, [samples[0].clone()], rescale=False)
    (original,) = model.predict(images, samples)
    assert torch.allclose(original.pred_instances.bboxes, 2 * input_pixels.pred_instances.bboxes)


@torch.no_grad()
def test_query_is_embedded_at_its_given_box():
    """A query on a detection's own box gets that detection's embedding."""
    model = build_two_step()
    images, samples = draw_batch([1], num_queries=[0], scale=0.5)
    (result,) = model.predict(images, [samples[0].clone()])
    found = result.pred_instances
    samples[0].query_instances = found.new(bboxes=found.bboxes.flip(0), query_ids=torch.arange(5))
    (result,) = model.predict(images, samples)
    assert torch.allclose(result.query_instances.reid_feats, found.reid_feats.flip(0), atol=1e-4)


@torch.no_grad()
def test_batch_equals_images_one_by_one():
    model = build_two_step()
    images, samples = draw_batch([2, 0, 3], num_queries=[1, 0, 2], scale=0.5)
    together = model.predict(images, [sample.clone() for sample in samples])
    for i, expected in enumerate(together):
        (alone,) = model.predict(images[i : i + 1], [samples[i]])
        assert torch.allclose(alone.pred_instances.bboxes, expected.pred_instances.bboxes, atol=1e-3)
        assert torch.allclose(alone.pred_instances.reid_feats, expected.pred_instances.reid_feats, atol=1e-4)
        assert torch.allclose(alone.query_instances.reid_feats, expected.query_instances.reid_feats, atol=1e-4)


@torch.no_grad()
def test_detections_are_embedded_as_given_boxes_are():
    model = build_two_step()
    images, samples = draw_batch([2, 3], num_queries=[2, 0])
    found = model.detect(images, samples)
    assert not any("pred_instances" in sample for sample in samples)
    feats = model.embed(images, [found[0].bboxes, found[1].bboxes[:0]])
    assert feats[1].shape == (0, 512)
    expected = model.predict(images, samples)[0].pred_instances
    torch.testing.assert_close(feats[0], expected.reid_feats, atol=1e-5, rtol=0)


@pytest.mark.parametrize("num_queries", [[0, 1], [0, 0], None])
@torch.no_grad()
def test_no_detection_at_all(num_queries):
    model = build_two_step(read_two_step_config(score_thr=1.1))
    images, samples = draw_batch([1, 1], num_queries)
    results = model.predict(images, samples)
    for i, result in enumerate(results):
        assert result.pred_instances.bboxes.shape == (0, 4)
        assert result.pred_instances.reid_feats.shape == (0, 512)
        if num_queries is None:
            assert "query_instances" not in result
        else:
            assert result.query_instances.reid_feats.shape == (num_queries[i], 512)


@torch.no_grad()
def test_one_stage_detector_of_several_classes():
    """Any detector of MMDetection serves; what is no person is left out."""
    cfg = read_two_step_config()
    cfg.detector = dict(
        type="mmdet.SingleStageDetector",
        data_preprocessor=cfg.detector.data_preprocessor,
        backbone=cfg.detector.backbone,
        bbox_head=dict(
            type="mmdet.RetinaHead",
            num_classes=3,
            in_channels=128,
            stacked_convs=1,
            feat_channels=32,
            anchor_generator=dict(type="mmdet.AnchorGenerator", scales=[4], ratios=[2.0], strides=[8]),
        ),
        # all anchors of all classes, few after NMS
        test_cfg=dict(
            nms_pre=1000, min_bbox_size=0, score_thr=0.0, nms=dict(type="nms", iou_threshold=0.1), max_per_img=90
        ),
    )
    model = build_two_step(cfg)
    images, samples = draw_batch([2], num_queries=[1], scale=0.5)
    (everything,) = model.detector.predict(images, [samples[0].clone()])
    everything = everything.pred_instances
    persons = everything[everything.labels == 0]
    assert 0 < len(persons) < len(everything)
    (result,) = model.predict(images, samples)
    found = result.pred_instances
    assert torch.allclose(found.bboxes, persons.bboxes, atol=1e-3) and (found.labels == 0).all()
    for box, feat in zip(found.bboxes, found.reid_feats):
        assert torch.allclose(feat, embed_by_hand(model, images[0], box / 2), atol=1e-3)


def test_training_is_refused():
    model = build_two_step().train()
    with pytest.raises(NotImplementedError, match=r"testing only: train the detector by its own config.*join_two_step"):
        model(*draw_batch([1]), mode="loss")


def test_can_be_wrapped_for_several_processes(tmp_path):
    """Data-parallel wrappers refuse a model in which nothing could be trained."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        model = MMDistributedDataParallel(build_two_step())
        data = dict(inputs=[torch.zeros(3, 96, 128, dtype=torch.uint8)], data_samples=draw_batch([1], [1])[1])
        (result,) = model.test_step(data)
    finally:
        torch.distributed.destroy_process_group()
    assert len(result.query_instances.reid_feats) == 1


@pytest.mark.parametrize(
    "change",
    [dict(mean=[0.0, 0.0, 0.0]), dict(std=[1.0, 1.0, 1.0]), dict(to_rgb=False)],
    ids=["mean", "std", "colours"],
)
def test_reid_model_of_other_pixels(change):
    cfg = read_two_step_config()
    cfg.reid.data_preprocessor.update(change)
    with pytest.raises(ValueError, match=r"detector\.data_preprocessor and reid\.data_preprocessor must normalize"):
        build_two_step(cfg)


def test_padding_is_the_detectors_own_matter():
    cfg = read_two_step_config()
    cfg.detector.data_preprocessor.pad_size_divisor = 64
    assert build_two_step(cfg).data_preprocessor.pad_size_divisor == 64
    del cfg.detector["data_preprocessor"]
    with pytest.raises(ValueError, match="detector has no data_preprocessor"):
        build_two_step(cfg)
