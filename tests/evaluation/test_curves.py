from fractions import Fraction

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from random_cases import draw_case
from slow_evaluation import slow_rcp

from mmpersonsearch.evaluation import (
    RankingWithContextPersons,
    detection_curve,
    evaluate_detections,
    evaluate_search,
    search_curve,
)
from mmpersonsearch.evaluation import search as search_module
from mmpersonsearch.structures import AllImages, CrossCamera, Query, SceneImage, SearchProtocol
from mmpersonsearch.testing import galleries_of, iou, kept

pytestmark = pytest.mark.filterwarnings("ignore:queries skipped")


def slow_curves(case, size=None, rerank=None):
    """{query: (precision at each match, best first; number of images that hold the person)} from the definition."""
    protocol, detections, query_feats = case
    persons = kept(detections, 0.5)
    curves = {}
    for q, gallery in enumerate(galleries_of(protocol, size)):
        retrieved, matches, num_true = [], [], 0
        for image, true in gallery:
            boxes, feats = persons[image]
            sims = feats @ query_feats[q].numpy() if boxes else np.zeros(0)
            if rerank is not None and boxes:
                sims = rerank(q, image, sims)
            retrieved.extend(sims)
            if true is not None:
                num_true += 1
                w, h = true[2] - true[0], true[3] - true[1]
                threshold = min(0.5, w * h / ((w + 10) * (h + 10)))
                right = [sim for sim, box in zip(sims, boxes) if iou(box, true) >= threshold]
                matches.extend([max(right)] if right else [])
        if num_true:
            precisions = [
                sum(other >= match for other in matches) / sum(other >= match for other in retrieved)
                for match in sorted(matches, reverse=True)
            ]
            curves[q] = precisions, num_true
    return curves


def slow_mean(curves):
    """Mean precision at the recalls 0, 0.01, ..., 1: for each query that of the step that the recall lies in."""
    means = []
    for percent in range(101):
        recall, total = Fraction(percent, 100), 0.0
        for precisions, num_true in curves.values():
            step = next(m for m in range(1, num_true + 1) if recall <= Fraction(m, num_true))
            total += precisions[step - 1] if step <= len(precisions) else 0.0
        means.append(total / len(curves))
    return means


def check_search(case, size=None, with_rcp=False):
    rerank = slow_rcp(*case, 0.5, 0.3, 0.2) if with_rcp else None
    expected = slow_curves(case, size, rerank)
    ranking = RankingWithContextPersons() if with_rcp else None
    if not expected:
        with pytest.raises(ValueError, match="none of the"):
            search_curve(*case, gallery=size)
        return
    curve = search_curve(*case, ranking=ranking, gallery=size)
    assert curve.query_inds.tolist() == list(expected)
    for row, holding, (precisions, num_true) in zip(curve.match_precisions, curve.num_holding, expected.values()):
        assert holding == num_true
        np.testing.assert_allclose(row, precisions + [0] * (len(row) - len(precisions)), atol=1e-12)
    np.testing.assert_array_equal(curve.recalls, [percent / 100 for percent in range(101)])
    np.testing.assert_allclose(curve.precisions, slow_mean(expected), atol=1e-12)
    result = evaluate_search(*case, ranking=ranking, gallery=size)
    # The area of each query's steps: all are 1 / T wide.
    areas = [sum(p / num_true for p in precisions) for precisions, num_true in expected.values()]
    np.testing.assert_allclose(result.aps, areas, atol=1e-9)
    np.testing.assert_allclose(result.aps, curve.aps, atol=1e-9)
    assert curve.mAP == pytest.approx(result.mAP, abs=1e-9)
    assert (curve.gallery, curve.ranking) == (result.gallery, result.ranking)


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("galleries", [AllImages(), CrossCamera(), (6, 9)])
def test_search_equals_the_definition(seed, galleries):
    check_search(draw_case(seed, galleries=galleries), size=6 if isinstance(galleries, tuple) else None)


@pytest.mark.parametrize("seed", range(15))
def test_search_equals_the_definition_with_ties(seed):
    check_search(draw_case(seed, width=2, levels=1, num_persons=3))


@pytest.mark.parametrize("seed", range(5))
def test_search_equals_the_definition_with_a_ranking(seed):
    check_search(draw_case(seed, num_images=20, dtype=torch.float64), with_rcp=True)


def test_chunks_do_not_matter(monkeypatch):
    case = draw_case(2, num_images=20)
    whole = search_curve(*case)
    monkeypatch.setattr(search_module, "_MAX_SIMILARITIES", 1)
    np.testing.assert_array_equal(search_curve(*case).match_precisions, whole.match_precisions)


def one_person(similarities):
    """A query whose person alone is in each further image, with detections of these similarities, right ones at BOX."""
    box, wrong = [0.0, 0, 40, 80], [100.0, 100, 140, 180]
    scenes = [[(0.5, True)], *similarities]
    images = [SceneImage(str(i), [box], [0]) for i in range(len(scenes))]
    detections = [
        InstanceData(
            bboxes=torch.tensor([box if right else wrong for _, right in scene]).reshape(-1, 4),
            scores=torch.ones(len(scene)),
            reid_feats=torch.tensor([[float(s)] for s, _ in scene]).reshape(-1, 1),
        )
        for scene in scenes
    ]
    return SearchProtocol(images, [Query("0", box, 0)]), detections, torch.ones(1, 1)


def test_worked_example():
    # By similarity: wrong, right, wrong, right; two images without a match. Steps of a quarter: 1/2, 2/4, 0, 0.
    curve = search_curve(*one_person([[(0.9, False), (0.8, True)], [(0.7, False), (0.6, True)], [], [(0.1, False)]]))
    assert curve.match_precisions.tolist() == [[0.5, 0.5, 0, 0]]
    assert curve.precisions.tolist() == [0.5] * 51 + [0] * 50
    assert curve.mAP == pytest.approx(0.25)


def test_equal_similarities_are_one_step():
    curve = search_curve(*one_person([[(0.9, True)], [(0.9, True), (0.9, False)], [(0.2, True)]]))
    assert curve.match_precisions.tolist() == [[2 / 3, 2 / 3, 3 / 4]]
    assert curve.precisions[[0, 66, 67, 100]].tolist() == [2 / 3, 2 / 3, 3 / 4, 3 / 4]


def test_recall_levels_fall_on_the_steps_of_a_hundred_images():
    # The m-th match of 100 is at recall m / 100, in spite of 0.07 * 100 > 7: every level has a precision of its own.
    wrong_above = [[(1 - m / 200 + 0.001, False), (1 - m / 200, True)] for m in range(100)]
    wrong_above[0] = [(1.0, True)]
    curve = search_curve(*one_person(wrong_above))
    expected = [(m + 1) / (2 * m + 1) for m in range(100)]
    np.testing.assert_allclose(curve.precisions, [expected[0], *expected], atol=1e-12)


def test_nothing_found_is_a_curve_of_zeros():
    curve = search_curve(*one_person([[], [(0.3, False)]]))
    assert not curve.precisions.any() and curve.mAP == 0


def slow_detection_steps(gts, detections, iou_thr, det_thr):
    """(recall, precision, score) for each score from the definition of a match; scores that occur, highest first."""
    found = []
    for boxes, d in zip(gts, detections):
        inds = [i for i, score in enumerate(d.scores) if score.numpy() >= det_thr]
        table = [[iou(gt, d.bboxes[i].double().tolist()) for i in inds] for gt in boxes]
        for column, i in enumerate(inds):
            best = max(range(len(boxes)), key=lambda row: table[row][column], default=None)
            right = best is not None and table[best][column] >= iou_thr and table[best][column] == max(table[best])
            right = right and table[best].index(max(table[best])) == column
            found.append((float(d.scores[i]), right))
    steps = []
    for score in sorted({score for score, _ in found}, reverse=True):
        above = [right for other, right in found if other >= score]
        steps.append((sum(above) / sum(map(len, gts)), sum(above) / len(above), score))
    return steps


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize(("iou_thr", "det_thr"), [(0.5, 0.5), (0.3, 0.0), (0.8, 0.7)])
def test_detection_equals_the_definition(seed, iou_thr, det_thr):
    protocol, detections, _ = draw_case(seed)
    gts = [image.bboxes for image in protocol.images]
    curve = detection_curve(gts, detections, iou_thr, det_thr)
    expected = slow_detection_steps(gts, detections, iou_thr, det_thr)
    np.testing.assert_allclose(np.stack([curve.recalls, curve.precisions, curve.scores], 1), expected, atol=1e-12)
    area = last = 0.0
    for recall, precision, _ in expected:
        area, last = area + (recall - last) * precision, recall
    result = evaluate_detections(gts, detections, iou_thr, det_thr)
    assert result.ap == pytest.approx(area, abs=1e-9) and result.ap == pytest.approx(curve.ap, abs=1e-9)
    assert result.recall == pytest.approx(last, abs=1e-12)


def test_no_detection_is_a_curve_without_steps():
    none = InstanceData(bboxes=torch.zeros(0, 4), scores=torch.zeros(0))
    curve = detection_curve([np.array([[0.0, 0, 10, 10]])], [none])
    assert len(curve.recalls) == len(curve.precisions) == len(curve.scores) == 0
    assert curve.ap == 0


def test_bad_input_is_named():
    case = draw_case(0, galleries=(3, 8))
    with pytest.raises(ValueError, match=r"gallery must be one of the protocol's sizes \[3, 8\], got None"):
        search_curve(*case)
    with pytest.raises(ValueError, match="12 images but detections has 11"):
        detection_curve([image.bboxes for image in case[0].images], case[1][1:])


def test_queries_that_are_nowhere_are_skipped_with_a_warning():
    protocol, detections, _ = one_person([[(0.9, True)]])
    protocol.queries.append(Query("1", [0.0, 0, 40, 80], 7))
    with pytest.warns(UserWarning, match=r"1 in gallery 'all' \(of 2\)") as warned:
        curve = search_curve(protocol, detections, torch.ones(2, 1))
    assert curve.query_inds.tolist() == [0] and curve.mAP == 1
    assert warned[0].filename == __file__
