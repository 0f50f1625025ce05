"""Search by pairs against search by embeddings, of which it is the general case, and against the definition."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from pair_cases import results_of
from random_cases import draw_case

from mmpersonsearch.evaluation import (
    RankingWithContextPersons,
    evaluate_pair_search,
    evaluate_pair_searches,
    evaluate_searches,
    pairs,
    rank_gallery,
    rank_pairs,
)
from mmpersonsearch.structures import AllImages, CrossCamera, Query, SceneImage, SearchProtocol
from mmpersonsearch.testing import slow_search

pytestmark = pytest.mark.filterwarnings("ignore:queries skipped")
CASES = [(seed, levels, galleries) for seed in range(8) for levels in (None, 2) for galleries in (None, (5, 9))]
CASES += [(seed, 2, CrossCamera()) for seed in range(4)]


@pytest.mark.parametrize(("seed", "levels", "galleries"), CASES)
def test_the_same_scores_give_identical_numbers_both_ways(seed, levels, galleries):
    case = draw_case(seed, levels=levels, galleries=galleries)
    if seed % 4 == 3:  # detections in regions to ignore are skipped
        for image in case[0].images[::2]:
            image.ignored_bboxes = np.array([[0.0, 0, 120, 150]])
    expected = evaluate_searches(*case, det_thr=0.5)
    found = evaluate_pair_searches(case[0], results_of(case, seed), det_thr=0.5)
    assert [one.gallery for one in found] == [one.gallery for one in expected]
    for ours, theirs in zip(found, expected):
        np.testing.assert_array_equal(ours.aps, theirs.aps)
        np.testing.assert_array_equal(ours.query_inds, theirs.query_inds)
        assert (ours.mAP, ours.topk, ours.num_skipped) == (theirs.mAP, theirs.topk, theirs.num_skipped)
        if seed % 4 == 3:  # the definition in loops knows no regions
            continue
        mAP, topk, aps, _ = slow_search(*case, size=ours.gallery if isinstance(galleries, tuple) else None)
        np.testing.assert_allclose(ours.aps, aps, atol=1e-6)
        assert ours.mAP == pytest.approx(mAP, abs=1e-6) and ours.topk == pytest.approx(topk)


def test_detections_may_differ_from_query_to_query():
    """Each query alone, by its own detections as embeddings of width 1."""
    protocol, *_ = draw_case(1)
    others = [draw_case(seed, levels=3) for seed in (1, 2, 3)]  # detections in as many images
    results = [results_of((protocol, *others[i % 3][1:]))[i] for i in range(len(protocol.queries))]
    whole = evaluate_pair_search(protocol, results)
    for i, ap in whole.ap_by_query().items():
        alone = replace(protocol, queries=[protocol.queries[i]])
        detections = results[i].by_image(len(protocol.images))
        for one in detections:
            one.reid_feats = one.similarities[:, None]
        mAP, *_ = slow_search(alone, detections, torch.ones(1, 1))
        assert ap == pytest.approx(mAP, abs=1e-6)


def test_worked_example():
    """The person is in a and b. a: true 0.8, false 0.9; b: missed, false 0.1; c: false 0.85. AP = 1/3 x 1/2."""
    left, right = [10.0, 10, 50, 110], [80.0, 10, 120, 110]
    scenes = [("q", [left], [7]), ("a", [left, right], [-1, 7]), ("b", [left], [7]), ("c", [left], [-1])]
    protocol = SearchProtocol([SceneImage(*scene) for scene in scenes], [Query("q", left, 7)], AllImages())
    found = pairs.QueryResults(
        image_inds=torch.tensor([3, 1, 2]),
        counts=torch.tensor([1, 2, 2]),
        bboxes=torch.tensor([left, left, right, right, left]),
        scores=torch.tensor([1, 1, 1, 1, 0.4]),  # the last would be right, but its score is too low
        similarities=torch.tensor([0.85, 0.9, 0.8, 0.1, 0.99]),
    )
    result = evaluate_pair_search(protocol, [found])
    assert result.mAP == pytest.approx(1 / 6) and result.topk == {1: 0, 5: 1, 10: 1}
    assert evaluate_pair_search(protocol, [found], det_thr=0.3).mAP == pytest.approx((1 + 2 / 4) / 2)


def test_chunks_do_not_matter(monkeypatch):
    case = draw_case(5, galleries=(5, 9))
    expected = evaluate_pair_searches(case[0], results_of(case))
    monkeypatch.setattr(pairs, "_MAX_DETECTIONS", 30)
    for ours, theirs in zip(evaluate_pair_searches(case[0], results_of(case)), expected):
        np.testing.assert_array_equal(ours.aps, theirs.aps)


def test_nothing_is_detected():
    protocol, detections, feats = draw_case(3)
    none = [one[:0] for one in detections]
    result = evaluate_pair_search(protocol, results_of((protocol, none, feats)))
    assert result.mAP == 0 and set(result.topk.values()) == {0}


@pytest.mark.parametrize("galleries", [None, (4, 8)])
def test_ranking_lists_are_those_of_embeddings(galleries):
    case = draw_case(6, levels=2, galleries=galleries)
    size = 8 if galleries else None
    expected = rank_gallery(*case, [4, 0], k=3, gallery=size)
    for ours, theirs in zip(rank_pairs(case[0], results_of(case, 1), [4, 0], k=3, gallery=size), expected, strict=True):
        assert ours.query_ind == theirs.query_ind
        for name in ("image_inds", "bboxes", "similarities", "right"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


# Bad input


@pytest.mark.parametrize("function", [evaluate_pair_search, lambda *args, **kw: rank_pairs(*args, [0], **kw)])
def test_rankings_are_refused(function):
    case = draw_case(1)
    with pytest.raises(ValueError, match="RankingWithContextPersons compares embeddings"):
        function(case[0], results_of(case), ranking=RankingWithContextPersons())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r[:-1], "expected those of 9 queries, got 8"),
        (lambda r: [replace(r[0], image_inds=r[0].image_inds[1:], counts=r[0].counts[1:]), *r[1:]], "counts"),
        (lambda r: [replace(r[0], image_inds=r[0].image_inds * 0), *r[1:]], "query 0: image_inds must be different"),
        (lambda r: [replace(r[0], similarities=r[0].similarities / 0), *r[1:]], "query 0: similarities not finite"),
        (lambda r: [replace(r[0], bboxes=r[0].bboxes[:, :3]), *r[1:]], "query 0: expected counts"),
    ],
)
def test_results_that_do_not_fit_are_named(change, message):
    case = draw_case(1)
    with pytest.raises(ValueError, match=message):
        evaluate_pair_search(case[0], change(results_of(case)))


def test_an_image_without_results_is_named():
    case = draw_case(1)
    results = results_of(case)
    whole = results[2]
    num, query = int(whole.counts[0]), case[0].queries[2].img_id
    assert query != "im0"
    results[2] = replace(
        whole,
        image_inds=whole.image_inds[1:],
        counts=whole.counts[1:],
        **{name: getattr(whole, name)[num:] for name in ("bboxes", "scores", "similarities")},
    )
    with warnings.catch_warnings(), pytest.raises(ValueError, match="results of query 2 lack image 0 of its gallery"):
        evaluate_pair_search(case[0], results)
