import pytest
import torch
from mmdet.structures.bbox import bbox_overlaps
from mmengine.structures import InstanceData
from tiny_models import NUM_IDS, VARIANTS, build_model, draw_batch


def total(losses):
    return sum(v if torch.is_tensor(v) else sum(v) for k, v in losses.items() if "loss" in k)


@pytest.mark.parametrize("variant", VARIANTS)
def test_loss_reaches_every_parameter(variant):
    model = build_model(variant).train()
    losses = model.loss(*draw_batch([3, 2]))
    assert {"loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox", "loss_id"} <= losses.keys()
    assert ("loss_distill" in losses) == (("teacher" in variant and "wo" not in variant) or variant in ("", "_wo-ktb"))
    total(losses).backward()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("num_persons", [[0, 0], [0, 2], [1, 0]])
def test_images_without_persons_train(variant, num_persons):
    model = build_model(variant).train()
    losses = model.loss(*draw_batch(num_persons))
    loss = total(losses)
    assert torch.isfinite(loss)
    loss.backward()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    if sum(num_persons) == 0:
        assert losses["loss_id"] == 0
        assert losses.get("loss_distill", 0) == 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_batch_without_labelled_person(variant):
    model = build_model(variant).train()
    images, samples = draw_batch([2, 2])
    for sample in samples:
        sample.gt_instances.person_ids.fill_(-1)
    losses = model.loss(images, samples)
    assert losses["loss_id"] == 0
    assert torch.isfinite(total(losses))
    total(losses).backward()


@pytest.mark.parametrize("variant", ["", "_baseline", "_oim-star"])
def test_predict_gives_boxes_in_the_original_image_and_unit_embeddings(variant):
    model = build_model(variant).eval()
    model.roi_head.test_cfg.score_thr = 0.0
    images, samples = draw_batch([2, 3], num_queries=[2, 0], scale=0.5)
    with torch.no_grad():
        results = model.predict(images, samples)
    for result, queries in zip(results, (2, 0)):
        found = result.pred_instances
        assert len(found) > 0
        assert found.bboxes.shape == (len(found), 4)
        height, width = result.ori_shape
        assert found.bboxes[:, 2].max() <= width and found.bboxes[:, 3].max() <= height
        assert found.bboxes[:, 2].max() > 128  # not in pixels of the input
        assert torch.allclose(found.reid_feats.norm(dim=1), torch.ones(len(found)), atol=1e-5)
        assert found.reid_feats.dtype == torch.float32
        assert (found.labels == 0).all()
        assert result.query_instances.reid_feats.shape == (queries, found.reid_feats.shape[1])


@pytest.mark.parametrize("variant", ["", "_oim-star"])
def test_batch_size_does_not_change_results(variant):
    model = build_model(variant).eval()
    model.roi_head.test_cfg.score_thr = 0.0
    images, samples = draw_batch([2, 3], num_queries=[1, 2])
    with torch.no_grad():
        together = [s.clone() for s in model.predict(images, samples)]
        for i in range(2):
            (alone,) = model.predict(images[i : i + 1], [samples[i]])
            assert torch.allclose(alone.query_instances.reid_feats, together[i].query_instances.reid_feats, atol=1e-4)
            assert len(alone.pred_instances) == len(together[i].pred_instances)


@pytest.mark.parametrize("variant", ["", "_oim-star"])
def test_query_is_embedded_at_its_given_box(variant):
    """A query on a detection's own box gets that detection's embedding, where boxes are not refined."""
    model = build_model(variant).eval()
    model.roi_head.test_cfg.score_thr = 0.0
    images, samples = draw_batch([1], num_queries=[0])
    with torch.no_grad():
        (result,) = model.predict(images, samples)
        found = result.pred_instances[:3].clone()
        samples[0].query_instances = found.new(
            bboxes=found.bboxes, query_ids=torch.arange(3), labels=found.labels, scores=found.scores
        )
        (result,) = model.predict(images, samples)
    cosine = (result.query_instances.reid_feats * found.reid_feats).sum(1)
    # The coupled head embeds a detection at its proposal, hence the lower bar.
    assert cosine.min() > (0.9999 if variant == "" else 0.5)


@pytest.mark.parametrize("variant", ["", "_oim-star"])
def test_no_detection_at_all(variant):
    model = build_model(variant).eval()
    model.roi_head.test_cfg.score_thr = 1.1
    images, samples = draw_batch([1, 1], num_queries=[0, 1])
    with torch.no_grad():
        first, second = model.predict(images, samples)
    assert len(first.pred_instances) == len(second.pred_instances) == 0
    assert first.pred_instances.reid_feats.shape[1] == second.query_instances.reid_feats.shape[1]
    assert len(second.query_instances.reid_feats) == 1


@pytest.mark.parametrize("variant", ["", "_baseline", "_oim-star"])
@torch.no_grad()
def test_detections_and_queries_are_embedded_as_given_boxes_are(variant):
    model = build_model(variant).eval()
    model.roi_head.test_cfg.score_thr = 0.0
    images, samples = draw_batch([2, 3], num_queries=[2, 0], scale=0.5)
    found = model.detect(images, samples)
    results = model.predict(images, samples)
    feats = model.embed(images, [one.get("priors", one.bboxes) for one in found])
    queries = model.embed(images, [samples[0].query_instances.bboxes / 2, torch.zeros(0, 4)])
    for one, result, own, query in zip(found, results, feats, queries):
        assert len(one) > 0 and own.dtype == torch.float32
        torch.testing.assert_close(result.pred_instances.bboxes, 2 * one.bboxes)
        assert torch.equal(result.pred_instances.scores, one.scores)
        torch.testing.assert_close(result.pred_instances.reid_feats, own, atol=1e-5, rtol=0)
        torch.testing.assert_close(result.query_instances.reid_feats, query, atol=1e-5, rtol=0)


@pytest.mark.parametrize("variant", ["", "_baseline", "_oim-star"])
@torch.no_grad()
def test_boxes_are_embedded_in_their_order_with_and_without_the_maps(variant):
    model = build_model(variant).eval()
    images, samples = draw_batch([3, 2])
    boxes = [sample.gt_instances.bboxes for sample in samples]
    feats = model.embed(images, boxes)
    given = model.embed(images, boxes, model.extract_feat(images))
    turned = model.embed(images.flip(0), [boxes[1].flip(0), boxes[0]])
    for i, (one, other) in enumerate(zip(feats, given)):
        assert one.shape == (len(boxes[i]), feats[0].shape[1])
        assert torch.equal(one, other)
        torch.testing.assert_close(one.norm(dim=1), torch.ones(len(one)))
    torch.testing.assert_close(turned[0].flip(0), feats[1], atol=1e-5, rtol=0)
    torch.testing.assert_close(turned[1], feats[0], atol=1e-5, rtol=0)
    assert (feats[0][0] - feats[0][1]).abs().max() > 1e-3  # no two alike, else the order would not show


@pytest.mark.parametrize("variant", ["", "_baseline", "_oim-star"])
@torch.no_grad()
def test_images_and_batches_without_boxes_are_embedded(variant):
    model = build_model(variant).eval()
    images, samples = draw_batch([1, 1])
    nothing, box = torch.zeros(0, 4), samples[1].gt_instances.bboxes
    first, second = model.embed(images, [nothing, box])
    width = second.shape[1]
    assert first.shape == (0, width) and second.shape == (1, width)
    assert [one.shape for one in model.embed(images, [nothing, nothing])] == [(0, width)] * 2


def test_inference_without_queries():
    model = build_model().eval()
    images, samples = draw_batch([1])
    with torch.no_grad():
        (result,) = model.predict(images, samples)
    assert "query_instances" not in result


@pytest.mark.parametrize("variant", ["", "_oim-star-teacher"])
def test_autocast_trains_and_predicts(variant):
    model = build_model(variant).train()
    images, samples = draw_batch([2, 1], num_queries=[1, 1])
    with torch.autocast("cpu", torch.bfloat16):
        loss = total(model.loss(images, samples))
        loss.backward()
        model.eval()
        with torch.no_grad():
            results = model.predict(images, samples)
    assert torch.isfinite(loss)
    assert all(r.query_instances.reid_feats.dtype == torch.float32 for r in results)


def test_teacher_is_hidden_frozen_and_in_eval_mode():
    model = build_model().train()
    teacher = model.roi_head.reid_head.teacher.model
    before = {k: v.clone() for k, v in teacher.state_dict().items()}
    assert not any("teacher" in name for name, _ in model.named_modules())
    assert not any("teacher" in key for key in model.state_dict())
    assert not any(module.training for module in teacher.modules())
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    total(model.loss(*draw_batch([2, 2]))).backward()
    optimizer.step()
    assert all(torch.equal(before[k], v) for k, v in teacher.state_dict().items())


def test_teacher_follows_moves():
    model = build_model().double()
    assert next(model.roi_head.reid_head.teacher.model.parameters()).dtype == torch.float64


def test_oim_memories_fill_in_training_only():
    model = build_model("_oim-star")
    memory = model.roi_head.reid_head.loss_id
    images, samples = draw_batch([3, 3], num_queries=[1, 1])
    with torch.no_grad():
        model.eval().predict(images, samples)
    assert memory.lut.features.abs().sum() == 0
    model.train().loss(images, samples)
    present = torch.cat([s.gt_instances.person_ids for s in samples])
    rows = memory.lut.features.norm(dim=1) > 0
    assert set(rows.nonzero().flatten().tolist()) == set(present[present >= 0].tolist())
    assert memory.lut.features.shape == (NUM_IDS, 256)


@pytest.mark.parametrize("variant", ["", "_oim-star"])
def test_boxes_are_in_pixels_of_the_original_image(variant):
    model = build_model(variant).eval()
    model.roi_head.test_cfg.score_thr = 0.0
    found = {}
    for scale in (1.0, 0.5):
        images, samples = draw_batch([3, 2], num_queries=[2, 1], scale=scale)
        with torch.no_grad():
            found[scale] = model.predict(images, samples)
    for whole, halved in zip(found[1.0], found[0.5], strict=True):
        assert len(whole.pred_instances) > 0
        # The input is the same, the original image of the second twice as large, and so are its queries' boxes.
        assert torch.equal(halved.query_instances.bboxes, 2 * whole.query_instances.bboxes)
        torch.testing.assert_close(halved.pred_instances.bboxes, 2 * whole.pred_instances.bboxes)
        for name in ("pred_instances", "query_instances"):
            torch.testing.assert_close(halved.get(name).reid_feats, whole.get(name).reid_feats)


def test_regions_to_ignore_are_neither_persons_nor_background():
    """Anchors and RoIs that lie to more than half in one are not sampled; without a region nothing changes."""
    model = build_model("_baseline").train()
    _, (sample,) = draw_batch([1])
    sample.gt_instances.bboxes = torch.tensor([[5.0, 5, 30, 60]])
    region = torch.tensor([[50.0, 0, 128, 96]])

    def sampled(regions):
        sample.ignored_instances = InstanceData(bboxes=regions, labels=torch.zeros(len(regions)).long())
        anchors, flags = model.rpn_head.get_anchors([(12, 16)], [sample.metainfo], device="cpu")
        torch.manual_seed(0)
        truth = ([sample.gt_instances], [sample.metainfo], [sample.ignored_instances])
        _, (weights,), *_ = model.rpn_head.get_targets(anchors, flags, *truth)
        torch.manual_seed(0)
        priors = torch.cat(anchors[0])
        (rois,) = model.roi_head.sample_proposals(
            [InstanceData(bboxes=priors, scores=torch.ones(len(priors)))], [sample]
        )
        return priors[weights[0] > 0], rois.neg_priors

    for found in sampled(region):
        assert len(found) and (bbox_overlaps(found, region, mode="iof") <= 0.5).all()
    for found in sampled(region[:0]):
        assert (bbox_overlaps(found, region, mode="iof") > 0.5).any()
