import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from random_cases import draw_case
from slow_evaluation import slow_rcp

from mmpersonsearch.evaluation import RankingWithContextPersons, evaluate_search, evaluate_searches
from mmpersonsearch.evaluation import search as search_module
from mmpersonsearch.evaluation.index.gallery import build_gallery
from mmpersonsearch.evaluation.index.search_index import build_search_index
from mmpersonsearch.evaluation.rankings import QueryChunk, context_persons
from mmpersonsearch.evaluation.rankings import rcp as rcp_module
from mmpersonsearch.registry import RANKINGS
from mmpersonsearch.structures import AllImages, CrossCamera, Query, SceneImage, SearchProtocol
from mmpersonsearch.testing import slow_search

pytestmark = pytest.mark.filterwarnings("ignore:queries skipped")


def ranked_similarities(case, ranking, det_thr=0.5):
    protocol, detections, query_feats = case
    index = build_search_index(protocol, detections, query_feats, det_thr)
    inds = torch.arange(len(query_feats))
    gallery = build_gallery(protocol, index, None)
    return index, ranking.rank(QueryChunk(index, inds, index.similarities(inds), gallery))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("threshold", "weight"), [(0.3, 0.2), (0.0, 0.9), (0.7, 0.1)])
def test_similarities_equal_the_equations(seed, threshold, weight):
    case = draw_case(seed, num_queries=14)
    index, ranked = ranked_similarities(case, RankingWithContextPersons(threshold, weight))
    final = slow_rcp(*case, 0.5, threshold, weight)
    plain = index.similarities(torch.arange(14))
    for image in range(index.num_images):
        dets = slice(int(index.offsets[image]), int(index.offsets[image + 1]))
        for q in range(14):
            expected = final(q, image, plain[q, dets].numpy())
            np.testing.assert_allclose(ranked[q, dets], expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("galleries", [AllImages(), CrossCamera(), (6,)])
def test_figures_equal_the_equations(seed, galleries):
    protocol, detections, query_feats = draw_case(seed, galleries=galleries)
    size = 6 if galleries == (6,) else None
    rerank = slow_rcp(protocol, detections, query_feats, 0.5, 0.3, 0.2)
    judge = slow_search(protocol, detections, query_feats, size=size, rerank=rerank)
    if judge is None:
        pytest.skip("no query can be evaluated")
    result = evaluate_search(protocol, detections, query_feats, ranking=RankingWithContextPersons(), gallery=size)
    np.testing.assert_allclose(result.aps, judge[2], atol=1e-6)
    assert result.topk == pytest.approx(judge[1], abs=1e-6)
    assert result.ranking == "rcp"


def worked_case():
    """A query with two companions; the gallery scene shows the query's person and one companion."""
    box, left, right = (100, 0, 140, 100), (0, 0, 40, 100), (200, 0, 240, 100)
    images = [SceneImage("scene", [box], [0]), SceneImage("gallery", [box], [0]), SceneImage("other", [], [])]
    detections = [
        InstanceData(
            # The first two overlap the query; only the better one is the query itself.
            bboxes=torch.tensor([(100, 0, 140, 60), box, left, right], dtype=torch.float32),
            scores=torch.tensor([0.9, 0.9, 0.9, 0.4]),
            reid_feats=torch.tensor([[0.6, 0.8, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]),
        ),
        InstanceData(
            bboxes=torch.tensor([box, left], dtype=torch.float32),
            scores=torch.ones(2),
            reid_feats=torch.tensor([[0.5, 0, 0.5, 0], [0.0, 0.8, 0, 0]]),
        ),
        InstanceData(bboxes=torch.zeros(0, 4), scores=torch.zeros(0), reid_feats=torch.zeros(0, 4)),
    ]
    return SearchProtocol(images, [Query("scene", box, 0)]), detections, torch.tensor([[1.0, 0, 0, 0]])


def test_worked_example():
    # Context: (0.6, 0.8) with best max(0.3, 0.64) = 0.64, and (0, 1) with best 0.8; the third is below det_thr.
    # Factor 1 + 0.2 * (0.64 + 0.8) = 1.288.
    index, ranked = ranked_similarities(worked_case(), RankingWithContextPersons(0.3, 0.2))
    np.testing.assert_allclose(ranked[0, index.image_inds == 1], [0.5 * 1.288, 0], atol=1e-6)
    # Threshold 0.7 drops the first: 1 + 0.2 * 0.8.
    index, ranked = ranked_similarities(worked_case(), RankingWithContextPersons(0.7, 0.2))
    np.testing.assert_allclose(ranked[0, index.image_inds == 1], [0.5 * 1.16, 0], atol=1e-6)
    # With det_thr 0.3 the third counts too: best max(0.5, 0) = 0.5.
    index, ranked = ranked_similarities(worked_case(), RankingWithContextPersons(0.3, 0.2), det_thr=0.3)
    np.testing.assert_allclose(ranked[0, index.image_inds == 1], [0.5 * (1.288 + 0.1), 0], atol=1e-6)


def test_a_similarity_at_the_threshold_counts():
    protocol, detections, query_feats = worked_case()
    detections[1].reid_feats[1, 1] = 0.5
    index, ranked = ranked_similarities((protocol, detections, query_feats), RankingWithContextPersons(0.5, 0.2))
    np.testing.assert_allclose(ranked[0, index.image_inds == 1], [0.5 * 1.1, 0], atol=1e-6)


def test_a_query_without_an_overlapping_detection_has_all_as_context():
    protocol, detections, query_feats = worked_case()
    protocol.queries[0].bbox = np.array([400.0, 0, 440, 100])
    index = build_search_index(protocol, detections, query_feats, 0.5)
    assert context_persons(index, torch.tensor([0]))[0].tolist() == [0, 1, 2]


def test_context_of_queries_of_one_scene():
    protocol, detections, query_feats = worked_case()
    protocol.queries.append(Query("scene", (0, 0, 40, 100), 0))
    index = build_search_index(protocol, detections, query_feats.repeat(2, 1), 0.5)
    persons, rows = context_persons(index, torch.tensor([1, 0]))
    assert sorted(zip(rows.tolist(), persons.tolist())) == [(0, 0), (0, 1), (1, 0), (1, 2)]


def test_persons_alone_are_ranked_as_before():
    case = draw_case(3)
    alone = [
        d[:0] if i in {case[0].image_index[q.img_id] for q in case[0].queries} else d for i, d in enumerate(case[1])
    ]
    plain, rcp = evaluate_searches(case[0], alone, case[2], rankings=[None, RankingWithContextPersons()])
    np.testing.assert_array_equal(plain.aps, rcp.aps)


@pytest.mark.parametrize("galleries", [AllImages(), (6,)])
def test_chunks_do_not_matter(galleries, monkeypatch):
    case = draw_case(4, num_queries=25, galleries=galleries)
    expected = evaluate_search(*case, ranking=RankingWithContextPersons())
    monkeypatch.setattr(search_module, "_MAX_SIMILARITIES", 1)
    monkeypatch.setattr(rcp_module, "_MAX_SIMILARITIES", 1)
    np.testing.assert_allclose(evaluate_search(*case, ranking=RankingWithContextPersons()).aps, expected.aps, atol=1e-9)


def test_several_rankings_at_once_equal_one_by_one():
    case = draw_case(5, galleries=(4, 8))
    rankings = [None, RankingWithContextPersons(), RankingWithContextPersons(0.1, 0.8, name="strong")]
    results = evaluate_searches(*case, rankings=rankings)
    assert [(r.gallery, r.ranking) for r in results] == [(g, n) for g in (4, 8) for n in (None, "rcp", "strong")]
    for result, ranking in zip(results, rankings * 2):
        one = evaluate_search(*case, ranking=ranking, gallery=result.gallery)
        np.testing.assert_array_equal(result.aps, one.aps)
        assert result.topk == one.topk


def test_float64():
    case = draw_case(6, dtype=torch.float64)
    result = evaluate_search(*case, ranking=RankingWithContextPersons())
    rerank = slow_rcp(*case, 0.5, 0.3, 0.2)
    np.testing.assert_allclose(result.aps, slow_search(*case, rerank=rerank)[2], atol=1e-9)


@pytest.mark.parametrize("threshold", [-0.1, float("nan")])
def test_bad_threshold(threshold):
    with pytest.raises(ValueError, match="threshold must be >= 0"):
        RankingWithContextPersons(threshold=threshold)


@pytest.mark.parametrize("weight", [0, 1, -0.2, 1.5, float("nan")])
def test_bad_weight(weight):
    with pytest.raises(ValueError, match=r"weight must be in \(0, 1\)"):
        RankingWithContextPersons(weight=weight)


def test_built_from_a_config():
    ranking = RANKINGS.build(dict(type="RankingWithContextPersons", weight=0.4))
    assert (ranking.weight, ranking.threshold, ranking.name) == (0.4, 0.3, "rcp")
