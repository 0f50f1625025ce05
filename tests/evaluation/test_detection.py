import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from random_cases import draw_case
from slow_evaluation import slow_detections

from mmpersonsearch.evaluation import detection as detection_module
from mmpersonsearch.evaluation import detection_curve, evaluate_detections


def instances(boxes, scores):
    return InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), scores=torch.tensor(scores, dtype=torch.float32)
    )


def draw_boxes(seed):
    """Boxes on a coarse grid, so that IoUs and scores tie."""
    rng = np.random.default_rng(seed)

    def draw(num):
        corners = rng.integers(0, 4, (num, 2)) * 10.0
        return np.concatenate([corners, corners + rng.integers(1, 5, (num, 2)) * 10], 1)

    gts = [draw(rng.integers(0, 5)) for _ in range(8)] + [draw(1)]
    found = []
    for _ in gts:
        boxes = draw(rng.integers(0, 7))
        found.append(instances(boxes, np.round(rng.uniform(0.3, 1, len(boxes)), 1)))
    return gts, found


@pytest.mark.parametrize("seed", range(60))
def test_equals_the_definition_with_ties(seed):
    gts, found = draw_boxes(seed)
    for iou_thr, det_thr in ((0.5, 0.5), (0.3, 0.7), (0.75, 0.0)):
        result = evaluate_detections(gts, found, iou_thr, det_thr)
        assert (result.ap, result.recall) == pytest.approx(slow_detections(gts, found, iou_thr, det_thr), abs=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_equals_the_definition(seed):
    protocol, found, _ = draw_case(seed)
    gts = [image.bboxes for image in protocol.images]
    result = evaluate_detections(gts, found)
    assert (result.ap, result.recall) == pytest.approx(slow_detections(gts, found), abs=1e-6)


def test_worked_example():
    gts = [torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10]]), torch.zeros(0, 4), torch.tensor([[0.0, 0, 10, 10]])]
    found = [
        # The second covers the first true box less well than the first does: false, although its IoU is 0.8.
        instances([[0, 0, 10, 10], [0, 0, 10, 8], [20, 0, 30, 5]], [0.9, 0.95, 0.6]),
        instances([[0, 0, 10, 10]], [0.7]),  # no true box here: false
        instances([[0, 0, 10, 10]], [0.4]),  # below det_thr
    ]
    # By score: 0.95 false, 0.9 right, 0.7 false, 0.6 right: AP (1/2 + 2/4) / 2; recall 2/3.
    result = evaluate_detections(gts, found)
    assert result.recall == pytest.approx(2 / 3) and result.ap == pytest.approx(0.5 * 2 / 3)
    assert (result.num_persons, result.num_detections) == (3, 4)


def test_a_detection_serves_one_person():
    both = [[0, 0, 10, 10], [0, 0, 10, 9]]
    result = evaluate_detections([np.array(both, dtype=float)], [instances(both[:1], [0.9])])
    assert (result.ap, result.recall) == (0.5, 0.5)


def test_chunks_do_not_matter(monkeypatch):
    for seed in range(5):
        gts, found = draw_boxes(seed)
        expected = evaluate_detections(gts, found)
        monkeypatch.setattr(detection_module, "_MAX_COMPARISONS", 7)
        assert evaluate_detections(gts, found) == expected
        monkeypatch.undo()


def test_order_of_images_does_not_matter():
    gts, found = draw_boxes(1)
    assert evaluate_detections(gts[::-1], found[::-1]) == evaluate_detections(gts, found)


def test_no_detection_gives_zeros_and_no_truth_an_error():
    gts, found = draw_boxes(2)
    none = [instances([], [])] * len(gts)
    result = evaluate_detections(gts, none)
    assert (result.ap, result.recall) == (0, 0)
    with pytest.raises(ValueError, match="no box in any of the 9 images"):
        evaluate_detections([np.zeros((0, 4))] * 9, found)


def test_bad_input_is_named():
    gts, found = draw_boxes(3)
    with pytest.raises(ValueError, match="9 images but detections has 8"):
        evaluate_detections(gts, found[1:])
    with pytest.raises(ValueError, match=r"gt_bboxes of image 8: expected shape \(n, 4\), got \(1, 5\)"):
        evaluate_detections([*gts[:-1], np.zeros((1, 5))], found)
    bad = [*found[:-1], instances([[0, 0, float("nan"), 1]], [0.9])]
    with pytest.raises(ValueError, match="bboxes of image 8: not finite"):
        evaluate_detections(gts, bad)
    bad = [*found[:-1], instances([[0, 0, 1, 1]], [float("nan")])]
    with pytest.raises(ValueError, match="score not finite in image 8"):
        evaluate_detections(gts, bad)


def test_detections_in_ignored_regions_count_neither_way():
    truths, region = [torch.tensor([[0.0, 0, 10, 10]])], [torch.tensor([[50.0, 0, 100, 100]])]
    boxes = torch.tensor([[0.0, 0, 10, 10], [60, 0, 70, 10], [46, 0, 56, 10], [44, 0, 54, 10]])
    found = [InstanceData(bboxes=boxes, scores=torch.tensor([0.6, 0.9, 0.8, 0.7]))]
    # Shares within the region: all, 6 / 10 and 4 / 10; the last remains a false positive before the true one.
    assert evaluate_detections(truths, found, ignored_bboxes=region).ap == pytest.approx(1 / 2)
    assert evaluate_detections(truths, found).ap == pytest.approx(1 / 4)
    curve = detection_curve(truths, found, ignored_bboxes=region)
    assert (curve.ap, curve.scores.tolist()) == (pytest.approx(1 / 2), pytest.approx([0.7, 0.6]))
    with pytest.raises(ValueError, match="ignored_bboxes has 2 images"):
        evaluate_detections(truths, found, ignored_bboxes=region * 2)
