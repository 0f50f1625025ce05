import pytest
import torch
import torch.nn.functional as F
from mmdet.structures.bbox import bbox_overlaps
from mmengine.structures import InstanceData
from tiny_models import build_model, draw_batch


def choose(roi_head, samples, cls_score, bbox_pred, priors):
    sampled = [type("Sampled", (), dict(priors=p)) for p in priors]
    boxes = dict(cls_score=cls_score, bbox_pred=bbox_pred)
    return roi_head.person_rois(boxes, sampled, samples)


def certain(n):
    """Scores of persons that are sure, and boxes that stay where they are."""
    return torch.tensor([[10.0, -10.0]]).repeat(n, 1), torch.zeros(n, 4)


def test_person_rois_take_the_identity_of_the_overlapped_person():
    roi_head = build_model().roi_head
    _, samples = draw_batch([0])
    truth = torch.tensor([[10.0, 10, 30, 60], [60, 10, 90, 70]])
    samples[0].gt_instances = InstanceData(bboxes=truth, labels=torch.zeros(2).long(), person_ids=torch.tensor([7, -1]))
    # near the second, near the first, background
    priors = torch.tensor([[62.0, 12, 92, 72], [10, 14, 30, 64], [100, 60, 120, 90]])
    rois, person_ids = choose(roi_head, samples, *certain(3), [priors])
    assert rois.shape == (4, 5)
    assert person_ids[:2].tolist() == [7, -1]  # the ground truth first
    for roi, person_id in zip(rois, person_ids):
        overlap = bbox_overlaps(roi[None, 1:], truth)[0]
        assert overlap.max() >= 0.5
        assert person_id == [7, -1][overlap.argmax()]

    roi_head.add_gt = False
    rois, person_ids = choose(roi_head, samples, *certain(3), [priors])
    assert sorted(person_ids.tolist()) == [-1, 7]

    roi_head.add_gt, roi_head.max_rois_per_img = True, 1
    rois, person_ids = choose(roi_head, samples, *certain(3), [priors])
    assert torch.equal(rois, torch.tensor([[0.0, 10, 10, 30, 60]]))
    assert person_ids.tolist() == [7]


@pytest.mark.parametrize(("width", "is_kept"), [(25.0, True), (19.0, False)])
def test_person_rois_overlap_a_person_by_half(width, is_kept):
    roi_head = build_model(add_gt=False).roi_head
    _, samples = draw_batch([0])
    truth = torch.tensor([[10.0, 10, 50, 60]])
    samples[0].gt_instances = InstanceData(bboxes=truth, labels=torch.zeros(1).long(), person_ids=torch.tensor([3]))
    # IoU = width / 40
    rois, _ = choose(roi_head, samples, *certain(1), [torch.tensor([[10.0, 10, 10 + width, 60]])])
    assert len(rois) == is_kept


def test_person_rois_of_unsure_boxes_are_dropped():
    roi_head = build_model(add_gt=False).roi_head
    _, samples = draw_batch([2])
    scores, deltas = certain(2)
    rois, person_ids = choose(roi_head, samples, -scores, deltas, [samples[0].gt_instances.bboxes])
    assert rois.shape == (0, 5)
    assert person_ids.shape == (0,)


def slow_final_boxes(roi_head, x, priors, images):
    """Final boxes of an image: threshold and greedy NMS by scores in plain Python, on the box head's outputs."""
    scores, deltas = roi_head.bbox_head(
        roi_head.bbox_roi_extractor(x, torch.cat((torch.zeros(len(priors), 1), priors), 1))
    )
    boxes = roi_head.bbox_head.bbox_coder.decode(priors, deltas, max_shape=images.shape[-2:])
    scores = scores.softmax(1)[:, 0]
    kept = []
    for i in scores.argsort(descending=True).tolist():
        unsuppressed = all(bbox_overlaps(boxes[i : i + 1], boxes[k : k + 1]) <= 0.5 for k in kept)
        if scores[i] > roi_head.test_cfg.score_thr and unsuppressed:
            kept.append(i)
    return boxes[kept]


@pytest.mark.parametrize("add_gt", [True, False])
def test_distillation_on_final_boxes_is_equation_2(add_gt):
    """The mean over the final boxes of all proposals, nobody's too, of the squared distance of the unit features."""
    model = build_model("_distill-final", add_gt=add_gt, max_rois_per_img=1).eval()
    roi_head, head = model.roi_head, model.roi_head.reid_head
    roi_head.test_cfg.score_thr = 0.45
    images, samples = draw_batch([2])
    truth = samples[0].gt_instances
    truth.person_ids = torch.tensor([3, 5])
    corners = torch.rand(40, 2, generator=torch.Generator().manual_seed(1)) * torch.tensor([90.0, 40.0])
    priors = torch.cat((truth.bboxes, torch.cat((corners, corners + torch.tensor([25.0, 50.0])), 1)))
    x = model.extract_feat(images)
    with torch.no_grad():
        losses = roi_head.loss(x, [InstanceData(bboxes=priors, scores=torch.ones(len(priors)))], samples, images)
        final = slow_final_boxes(roi_head, x, priors, images)
        seen = torch.cat((truth.bboxes, final)) if add_gt else final
        maps, crops = roi_head.extract_reid_maps(x, torch.cat((torch.zeros(len(seen), 1), seen), 1), images)
        crops = roi_head.crop_extractor((images,), torch.cat((torch.zeros(len(seen), 1), seen), 1))
        ious, nearest = bbox_overlaps(seen, truth.bboxes).max(1)
        feats, theirs = head(maps), F.normalize(head.teacher(crops))
        distances = [((a / a.norm() - b) ** 2).sum() for a, b in zip(feats, theirs)][len(seen) - len(final) :]
        log_probs = head.classifier(feats).log_softmax(1)
        terms = [-log_probs[i, truth.person_ids[nearest[i]]] for i in range(len(seen)) if ious[i] >= 0.5]
    assert (ious < 0.5).sum() > 0 and len(final) > 3
    assert losses["loss_distill"].item() == pytest.approx(5 * (sum(distances) / len(final)).item(), rel=1e-4)
    assert losses["loss_id"].item() == pytest.approx((sum(terms) / len(terms)).item() if terms else 0, rel=1e-4)


def test_final_boxes_of_a_scene_without_persons_are_distilled():
    roi_head = build_model("_distill-final").roi_head
    _, samples = draw_batch([0])
    roi_head.test_cfg.score_thr = 0.0
    x = roi_head.bbox_head.fc_cls.weight.new_ones(1, 128, 12, 16)
    priors = InstanceData(priors=torch.tensor([[10.0, 10, 30, 60]]))
    rois, person_ids, are_final = roi_head.final_rois((x,), [priors], samples)
    assert len(rois) == 1 and person_ids.tolist() == [-1] and are_final.tolist() == [True]


@pytest.mark.parametrize(
    ("variant", "value", "message"),
    [("", "all", "distill_on is 'all', expected 'persons' or 'final'"), ("_wo-teacher", "final", "needs a teacher")],
)
def test_what_cannot_be_distilled_is_refused(variant, value, message):
    with pytest.raises(ValueError, match=message):
        build_model(variant, distill_on=value)


def test_reid_branch_sees_final_boxes_only():
    model = build_model().eval()
    counts = []
    model.roi_head.part2.register_forward_pre_hook(lambda module, inputs: counts.append(len(inputs[0])))
    model.roi_head.test_cfg.score_thr = 0.0
    model.roi_head.test_cfg.max_per_img = 3
    with torch.no_grad():
        model.predict(*draw_batch([2, 2], num_queries=[1, 2]))
    assert counts == [3 + 1 + 3 + 2]


def test_bridge_adds_to_the_base_maps():
    model = build_model().eval()
    roi_head = model.roi_head
    images, samples = draw_batch([2])
    rois = torch.cat((torch.zeros(2, 1), samples[0].gt_instances.bboxes), 1)
    x = model.extract_feat(images)
    with torch.no_grad():
        maps, crops = roi_head.extract_reid_maps(x, rois, images)
        base = roi_head.reid_roi_extractor(x, rois)
        assert crops.shape == (2, 3, 128, 64)
        assert base.shape == roi_head.bridge(crops).shape == (2, 128, 16, 8)
        assert torch.allclose(maps, roi_head.part2(base + roi_head.bridge(crops)), atol=1e-5)
        roi_head.bridge = None
        maps, crops = roi_head.extract_reid_maps(x, rois, images)
        assert crops is None
        assert torch.allclose(maps, roi_head.part2(base), atol=1e-5)


@pytest.mark.parametrize("variant", ["", "_wo-ktb", "_wo-teacher"])
def test_crops_need_an_extractor(variant):
    with pytest.raises(ValueError, match="needs a crop_extractor"):
        build_model(variant, crop_extractor=None)


def test_crop_is_a_bilinear_resize():
    """A box on a linear ramp comes out as a linear ramp."""
    roi_head = build_model().roi_head
    ramp = torch.arange(128.0).repeat(1, 3, 96, 1)
    crop = roi_head.crop_extractor((ramp,), torch.tensor([[0.0, 20.0, 10.0, 84.0, 80.0]]))
    expected = torch.linspace(20.5, 83.5, 64) - 0.5
    assert torch.allclose(crop[0, 0, 5], expected, atol=1e-3)


def test_final_boxes_in_regions_to_ignore_train_nothing():
    roi_head = build_model("_distill-final").roi_head
    roi_head.test_cfg.score_thr = 0.0
    _, samples = draw_batch([0])
    truth = torch.tensor([[10.0, 10, 40, 70]])
    samples[0].gt_instances = InstanceData(bboxes=truth, labels=torch.zeros(1).long(), person_ids=torch.tensor([3]))
    samples[0].ignored_instances = InstanceData(bboxes=torch.tensor([[0.0, 0, 90, 96]]), labels=torch.zeros(1).long())
    # On the person; in the region; to a third in it; outside.
    final = torch.tensor([[11.0, 10, 40, 70], [50, 10, 80, 70], [80, 10, 110, 70], [100, 40, 125, 90]])
    roi_head._bbox_forward = lambda x, rois: None
    roi_head._final_boxes = lambda boxes, rois, samples: [InstanceData(bboxes=final)]
    rois, person_ids, are_final = roi_head.final_rois((), [InstanceData(priors=final)], samples)
    assert rois[:, 1:].tolist() == torch.cat((truth, final[[0, 2, 3]])).tolist()
    assert person_ids.tolist() == [3, 3, -1, -1] and are_final.tolist() == [False, True, True, True]
