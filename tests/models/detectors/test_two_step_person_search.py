import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.model import ImgDataPreprocessor, MMDistributedDataParallel
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from tiny_models import NUM_IDS, SYNTH
from tiny_models import draw_batch as draw_normalized

from mmpersonsearch.models.detectors.two_step_person_search import tile_boxes
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.errors import InputError

ANY_SCORE = dict(score_thr=0.0, max_per_img=5)


def read_two_step_config(**rcnn_test_cfg):
    """The synthetic set's two-step model with BoT; untrained, it has detections only at a low threshold."""
    init_default_scope("mmpersonsearch")
    cfg = Config.fromfile(SYNTH / "two_step/faster-rcnn_bot_synth.py").model
    cfg.reid.head.num_ids = NUM_IDS
    cfg.detector.test_cfg.rcnn.update(rcnn_test_cfg or ANY_SCORE)
    cfg.scale = None  # the detector sees the pictures at their size
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


def draw_batch(*args, **kwargs):
    """Images of pixels from 0 to 255, as a two-step model gets them."""
    images, samples = draw_normalized(*args, **kwargs)
    return (images * 50 + 110).clamp(0, 255).round(), samples


def normalized(model, image):
    """What the Re-ID model's preprocessing makes of BGR pixels."""
    preprocessor = model.reid.data_preprocessor
    return (image.flip(0) - preprocessor.mean) / preprocessor.std


def detect_by_hand(model, images, samples):
    """The detector's own results, in pixels of the original image."""
    data = dict(inputs=list(images), data_samples=[sample.clone() for sample in samples])
    data = model.detector.data_preprocessor(data)
    return model.detector.predict(data["inputs"], data["data_samples"], rescale=True)


def embed_by_hand(model, image, box):
    feat_map = model.reid.backbone(crop_by_hand(normalized(model, image), box))[-1]
    feat = model.reid.head.bn(feat_map.mean(dim=(2, 3)))[0]
    return feat / feat.norm()


@pytest.mark.parametrize("scale", [1.0, 0.5])
@torch.no_grad()
def test_results_are_those_of_detector_and_reid_model_by_hand(scale):
    model = build_two_step()
    images, samples = draw_batch([2, 3], num_queries=[2, 1], scale=scale)
    expected = [sample.pred_instances.clone() for sample in detect_by_hand(model, images, samples)]
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
    (everything,) = detect_by_hand(model, images, samples)
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


@torch.no_grad()
def test_each_part_has_its_own_preprocessing():
    """With another mean, deviation and order of channels for the detector, the embeddings stay and the boxes change."""
    cfg = read_two_step_config()

    def scores_and_query():
        images, samples = draw_batch([2], num_queries=[2])
        (found,) = build_two_step(cfg).predict(images, samples)
        return found.pred_instances.scores, found.query_instances.reid_feats

    scores, feats = scores_and_query()
    cfg.detector.data_preprocessor.update(mean=[0.0] * 3, std=[9.0] * 3, bgr_to_rgb=False)
    other_scores, same_feats = scores_and_query()
    assert torch.equal(same_feats, feats) and not torch.allclose(other_scores, scores, atol=1e-4)
    cfg.reid.data_preprocessor.update(to_rgb=False)
    same_scores, other_feats = scores_and_query()
    assert torch.equal(same_scores, other_scores) and not torch.allclose(other_feats, feats, atol=1e-3)


@torch.no_grad()
def test_the_detector_sees_the_picture_at_its_scale_and_crops_are_cut_from_the_picture():
    cfg = read_two_step_config()
    images, samples = draw_batch([2], num_queries=[2])
    whole = build_two_step(cfg)
    cfg.scale = (300, 48)  # long and short side: 96 x 128 becomes 48 x 64
    small = build_two_step(cfg)
    (found,) = small.predict(images, [samples[0].clone()])
    resized = F.interpolate(images, scale_factor=0.5, mode="bilinear")
    at_half = samples[0].clone()
    at_half.set_metainfo(dict(img_shape=(48, 64), scale_factor=(0.5, 0.5)))
    (expected,) = detect_by_hand(whole, resized, [at_half])
    torch.testing.assert_close(found.pred_instances.bboxes, expected.pred_instances.bboxes, atol=1e-3, rtol=0)
    for box, feat in zip(found.pred_instances.bboxes, found.pred_instances.reid_feats):
        assert torch.allclose(feat, embed_by_hand(whole, images[0], box), atol=1e-4)


@pytest.mark.parametrize(
    ("tiles", "overlap", "expected"),
    [
        ((1, 1), 0.3, [(0, 0, 100, 50)]),
        ((2, 1), 0.0, [(0, 0, 50, 50), (50, 0, 100, 50)]),
        ((2, 2), 0.5, [(0, 0, 67, 33), (33, 0, 100, 33), (0, 17, 67, 50), (33, 17, 100, 50)]),
        ((3, 1), 0.25, [(0, 0, 40, 50), (30, 0, 70, 50), (60, 0, 100, 50)]),
    ],
)
def test_tiles(tiles, overlap, expected):
    assert tile_boxes(100, 50, tiles, overlap) == expected


class Shown(torch.nn.Module):
    """Detector of one person per call from a list: boxes in pixels of its view, which may be of another class."""

    data_preprocessor = ImgDataPreprocessor()

    def __init__(self, found):
        super().__init__()
        self.found, self.views = found, []

    def predict(self, inputs, samples):
        self.views += [tuple(sample.img_shape) for sample in samples]
        for sample, persons in zip(samples, self.found):
            boxes, scores, labels = zip(*persons) if persons else ((), (), ())
            sample.pred_instances = InstanceData(
                bboxes=torch.tensor(boxes).float().reshape(-1, 4), scores=torch.tensor(scores).float(),
                labels=torch.tensor(labels).long(),
            )  # fmt: skip
        return samples


def test_tiles_are_merged():
    """Two tiles of 60 x 60 that share the columns 40 to 60 of a picture of 100 x 60."""
    model = build_two_step()
    model.tiles, model.overlap = (2, 1), 1 / 3
    model.detector = Shown(
        [
            [
                ([5, 5, 15, 35], 0.6, 0),  # alone
                ([42, 10, 54, 40], 0.7, 0),  # whole in both tiles
                ([5, 40, 15, 55], 0.9, 3),  # no person
                ([50, 20, 60, 59], 0.95, 0),  # cut by the tile's edge: half of the next tile's
            ],
            [
                ([3, 10, 15, 41], 0.8, 0),
                ([10, 20, 30, 60], 0.5, 0),
                ([40, 0, 60, 30], 0.4, 0),  # at the picture's edge, not cut
            ],
        ]
    )
    samples = [draw_batch([0], size=(60, 100))[1][0]]
    (found,) = model.detect(torch.zeros(1, 3, 60, 100), samples)
    assert model.detector.views == [(60, 60), (60, 60)]
    expected = {
        0.6: [5, 5, 15, 35], 0.8: [43, 10, 55, 41], 0.5: [50, 20, 70, 60], 0.4: [80, 0, 100, 30]
    }  # fmt: skip
    got = {round(score, 2): box for score, box in zip(found.scores.tolist(), found.bboxes.tolist())}
    assert got == expected


@pytest.mark.parametrize(("tiles", "overlap"), [((0, 2), 0.3), ((2, 2), 1.0), ((2, 2), -0.1)])
def test_tiles_that_cannot_be(tiles, overlap):
    cfg = read_two_step_config()
    cfg.update(tiles=tiles, overlap=overlap)
    with pytest.raises(InputError, match=r"expected \(columns, rows\) of 1 or more and an overlap in \[0, 1\)"):
        build_two_step(cfg)


def test_pictures_of_several_sizes_are_seen_without_the_padding_that_stacks_them():
    model = build_two_step()
    model.detector = Shown([[([1, 2, 11, 22], 0.5, 0)], []])
    images, samples = draw_batch([1, 1])
    samples[1].set_metainfo(dict(img_shape=(64, 72)))
    first, second = model.detect(images, samples)
    assert model.detector.views == [(96, 128), (64, 72)]
    assert first.bboxes.tolist() == [[1, 2, 11, 22]] and len(second) == 0


@pytest.mark.parametrize("part", ["detector", "reid"])
def test_a_part_without_preprocessing(part):
    cfg = read_two_step_config()
    del cfg[part]["data_preprocessor"]
    with pytest.raises(InputError, match=f"{part} has no data_preprocessor"):
        build_two_step(cfg)
