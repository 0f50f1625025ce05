from itertools import permutations

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from random_cases import draw_case

from mmpersonsearch.evaluation import (
    ContextBipartiteGraphMatching,
    RankingWithContextPersons,
    evaluate_search,
    evaluate_searches,
)
from mmpersonsearch.evaluation import search as search_module
from mmpersonsearch.evaluation.index.gallery import build_gallery
from mmpersonsearch.evaluation.index.search_index import build_search_index
from mmpersonsearch.evaluation.metrics import PersonSearchMetric
from mmpersonsearch.evaluation.rankings import QueryChunk
from mmpersonsearch.evaluation.rankings import cbgm as cbgm_module
from mmpersonsearch.registry import RANKINGS
from mmpersonsearch.structures import AllImages, CrossCamera, ImageList, Listed, Query, SceneImage, SearchProtocol
from mmpersonsearch.testing import galleries_of, iou, slow_search

pytestmark = pytest.mark.filterwarnings("ignore:queries skipped")


def heaviest_matching(weights):
    """(total, column of row 0 or None) of the heaviest matching of the smaller side, by trying all."""
    num_rows, num_columns = len(weights), len(weights[0])
    if num_rows <= num_columns:
        tries = [list(enumerate(columns)) for columns in permutations(range(num_columns), num_rows)]
    else:
        tries = [
            [(row, column) for column, row in enumerate(rows)] for rows in permutations(range(num_rows), num_columns)
        ]
    best = max(tries, key=lambda pairs: sum(weights[row][column] for row, column in pairs))
    return sum(weights[row][column] for row, column in best), dict(best).get(0)


def slow_matching(protocol, detections, query_feats, num_images, num_persons, size=None, det_thr=0.5):
    """CBGM as a function of (query, image, similarities), going through every query and image."""
    persons = [
        [
            (box.double().tolist(), float(score), feat.double().numpy())
            for box, score, feat in zip(d.bboxes, d.scores, d.reid_feats)
            if score.numpy() >= det_thr
        ]
        for d in detections
    ]
    feats = query_feats.double().numpy()

    def sides_of(query_ind):
        query = protocol.queries[query_ind]
        scene = persons[protocol.image_index[query.img_id]]
        overlaps = [iou(box, query.bbox) for box, _, _ in scene]
        itself = overlaps.index(max(overlaps)) if overlaps and max(overlaps) >= 0.5 else None
        others = [(-score, i) for i, (_, score, _) in enumerate(scene) if i != itself]
        return [feats[query_ind], *(scene[i][2] for _, i in sorted(others)[: num_persons - 1])]

    def images_of(query_ind):
        best = []
        for place, (image_ind, _) in enumerate(galleries_of(protocol, size)[query_ind]):
            if persons[image_ind]:
                similarity = max(float(feats[query_ind] @ feat) for _, _, feat in persons[image_ind])
                best.append((similarity, place, image_ind))
        return [image_ind for _, _, image_ind in sorted(best)[::-1][:num_images]]

    def new_similarities(query_ind, image_ind, sims):
        result = np.array(sims, dtype=float)
        if image_ind in images_of(query_ind):
            weights = [[float(v @ feat) for _, _, feat in persons[image_ind]] for v in sides_of(query_ind)]
            total, column = heaviest_matching(weights)
            if column is not None:
                result[column] = total
        return result

    return new_similarities


def ranked_similarities(case, ranking, size=None):
    protocol, detections, query_feats = case
    index = build_search_index(protocol, detections, query_feats, 0.5)
    inds = torch.arange(len(query_feats))
    plain = index.similarities(inds)
    untouched = plain.clone()
    ranked = ranking.rank(QueryChunk(index, inds, plain, build_gallery(protocol, index, size)))
    assert torch.equal(plain, untouched) and ranked.dtype == plain.dtype
    return index, plain, ranked


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("galleries", [AllImages(), CrossCamera(), (6,)])
@pytest.mark.parametrize(("num_images", "num_persons"), [(3, 3), (1, 2), (50, 2), (2, 50)])
def test_similarities_equal_the_definition(seed, galleries, num_images, num_persons):
    case = draw_case(seed, num_queries=8, galleries=galleries)
    case = at_most(case, 5) if num_persons == 50 else case  # few enough to try all matchings
    size = 6 if galleries == (6,) else None
    index, plain, ranked = ranked_similarities(case, ContextBipartiteGraphMatching(num_images, num_persons), size)
    expected = slow_matching(*case, num_images, num_persons, size)
    for image in range(index.num_images):
        dets = slice(int(index.offsets[image]), int(index.offsets[image + 1]))
        for q in range(8):
            np.testing.assert_allclose(ranked[q, dets], expected(q, image, plain[q, dets].numpy()), atol=1e-6)
    if galleries == AllImages():
        assert not torch.equal(ranked, plain)


def at_most(case, num):
    """The case with at most ``num`` detections an image."""
    protocol, detections, query_feats = case
    return protocol, [d[:num] for d in detections], query_feats


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("galleries", [AllImages(), CrossCamera(), (6,)])
def test_figures_equal_the_definition(seed, galleries):
    case = draw_case(seed, galleries=galleries)
    size = 6 if galleries == (6,) else None
    judge = slow_search(*case, size=size, rerank=slow_matching(*case, 4, 3, size))
    if judge is None:
        pytest.skip("no query can be evaluated")
    result = evaluate_search(*case, ranking=ContextBipartiteGraphMatching(4, 3), gallery=size)
    np.testing.assert_allclose(result.aps, judge[2], atol=1e-6)
    assert result.topk == pytest.approx(judge[1], abs=1e-6)
    assert result.ranking == "cbgm"


BOX = (100, 0, 140, 100)
SIDES = [(200 + 100 * i, 0, 240 + 100 * i, 100) for i in range(4)]


def found(bboxes, scores, feats):
    return InstanceData(
        bboxes=torch.tensor(bboxes, dtype=torch.float32).reshape(-1, 4),
        scores=torch.tensor(scores, dtype=torch.float32),
        reid_feats=torch.tensor(feats, dtype=torch.float32).reshape(-1, 4),
    )


def worked_case(galleries):
    """A query with the companions A, B and C, who are the axes: an embedding shows its similarities to q, A, B, C."""
    images = [SceneImage("scene", [BOX], [0])]
    images += [SceneImage(f"gallery{i}", [BOX], [0]) for i in range(len(galleries))]
    scene = found(
        # C, the query itself, A, B, and one below det_thr.
        [SIDES[0], BOX, SIDES[1], SIDES[2], SIDES[3]],
        [0.6, 0.99, 0.9, 0.8, 0.4],
        [[0, 0, 0, 1], [0.5, 0.5, 0.5, 0.5], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0]],
    )
    detections = [scene, *(found([BOX, *SIDES][: len(g)], [0.9] * len(g), g) for g in galleries)]
    return SearchProtocol(images, [Query("scene", BOX, 0)]), detections, torch.tensor([[1.0, 0, 0, 0]])


def gallery_rows(case, **kwargs):
    """New similarities of the query, a list for each gallery image."""
    index, _, ranked = ranked_similarities(case, ContextBipartiteGraphMatching(**kwargs))
    return [ranked[0, index.image_inds == i].numpy() for i in range(1, index.num_images)]


def test_worked_example():
    case = worked_case([[[0.6, 0.7, 0.1, 0], [0.5, 0.1, 0.2, 0], [0.1, 0, 0.4, 0.9]]])
    # Two persons: A takes the first (0.7), which leaves the second for the query (0.5), 1.2 in all; the query with
    # the first and A with the second would be 0.7.
    np.testing.assert_allclose(gallery_rows(case, num_persons=2)[0], [0.6, 1.2, 0.1], atol=1e-6)
    # Three: B takes the third, 0.4 more.
    np.testing.assert_allclose(gallery_rows(case, num_persons=3)[0], [0.6, 1.6, 0.1], atol=1e-6)
    # Four: the heaviest is A with the first, C with the third (0.9) and the query with the second, without B: 2.1.
    np.testing.assert_allclose(gallery_rows(case, num_persons=4)[0], [0.6, 2.1, 0.1], atol=1e-6)


def test_the_query_may_be_left_without_a_detection():
    # One detection, more similar to A than to the query.
    case = worked_case([[[0.5, 0.9, 0, 0]], [[0.5, 0.4, 0, 0]]])
    np.testing.assert_allclose(gallery_rows(case, num_persons=2), [[0.5], [0.5]], atol=1e-6)
    # Two detections, that A and B would have.
    case = worked_case([[[0.5, 0.9, 0, 0], [0.6, 0, 0.8, 0]]])
    np.testing.assert_allclose(gallery_rows(case, num_persons=3)[0], [0.5, 0.6], atol=1e-6)


def test_negative_weights_count():
    # 0.3 - 0.5 = -0.2 is more than -0.2 - 0.4 = -0.6.
    case = worked_case([[[0.3, -0.4, 0, 0], [-0.2, -0.5, 0, 0]]])
    np.testing.assert_allclose(gallery_rows(case, num_persons=2)[0], [-0.2, -0.2], atol=1e-6)


def test_only_the_most_similar_images_are_looked_at():
    # The best detections are 0.6, 0.7 and 0.5 similar; neither sums nor first detections come in that order.
    images = [[[0.6, 0, 0, 0], [0.6, 1, 0, 0]], [[0.1, 0, 0, 0], [0.7, 0.2, 0, 0]], [[0.5, 0, 0, 0], [0.4, 0.8, 0, 0]]]
    before = [[0.6, 0.6], [0.1, 0.7], [0.5, 0.4]]
    # 0.6 + 1; in the second image 0.7 alone is as much as A leaves: 0.7 + 0 > 0.1 + 0.2; 0.5 + 0.8.
    after = [[1.6, 0.6], [0.1, 0.7], [1.3, 0.4]]
    for num_images, looked_at in ((1, {1}), (2, {0, 1}), (3, {0, 1, 2}), (9, {0, 1, 2})):
        rows = gallery_rows(worked_case(images), num_images=num_images, num_persons=2)
        for i, row in enumerate(rows):
            np.testing.assert_allclose(row, after[i] if i in looked_at else before[i], atol=1e-6)


@pytest.mark.parametrize("listed", [False, True])
def test_of_equally_similar_images_the_later_one_of_the_gallery_is_looked_at(listed):
    protocol, detections, query_feats = worked_case([[[0.5, 0, 0, 0], [0, 0.4, 0, 0]]] * 3)
    order = [1, 2, 3]
    if listed:
        order = [1, 3, 2]
        protocol.galleries = Listed({3: [ImageList(order, [0, 1, 2], [BOX] * 3)]})
    for num_images in (1, 2, 3):
        rows = gallery_rows((protocol, detections, query_feats), num_images=num_images, num_persons=2)
        for place, image in enumerate(order):
            expected = [0.9, 0] if place >= 3 - num_images else [0.5, 0]
            np.testing.assert_allclose(rows[image - 1], expected, atol=1e-6)


def test_of_equally_confident_context_persons_the_earlier_detection_counts():
    case = worked_case([[[0.5, 0, 0, 0], [0, 0.1, 0.2, 0.4]]])
    case[1][0].scores[:4] = 0.8
    # C, A, B in the order of the detections.
    for num_persons, gain in ((2, 0.4), (3, 0.4), (4, 0.4)):
        np.testing.assert_allclose(gallery_rows(case, num_persons=num_persons)[0], [0.5 + gain, 0], atol=1e-6)
    case[1][0].scores[0] = 0.7  # now A, B, C
    for num_persons, gain in ((2, 0.1), (3, 0.2), (4, 0.4)):
        np.testing.assert_allclose(gallery_rows(case, num_persons=num_persons)[0], [0.5 + gain, 0], atol=1e-6)


def without_company(case):
    scenes = {case[0].image_index[q.img_id] for q in case[0].queries}
    return case[0], [d[:0] if i in scenes else d for i, d in enumerate(case[1])], case[2]


def test_persons_alone_are_ranked_as_before():
    case = without_company(draw_case(3, num_images=30))
    _, plain, ranked = ranked_similarities(case, ContextBipartiteGraphMatching())
    assert plain.shape[1] > 20
    assert torch.equal(ranked, plain)


def test_one_person_leaves_everything_as_before():
    _, plain, ranked = ranked_similarities(draw_case(4), ContextBipartiteGraphMatching(num_persons=1))
    assert torch.equal(ranked, plain)


def test_no_detections_at_all():
    protocol, detections, query_feats = draw_case(5)
    nothing = [d[:0] for d in detections]
    result = evaluate_search(protocol, nothing, query_feats, ranking=ContextBipartiteGraphMatching())
    assert result.mAP == 0


@pytest.mark.parametrize("seed", range(3))
def test_orders_do_not_matter(seed):
    protocol, detections, query_feats = draw_case(seed, num_images=14)
    rng = np.random.default_rng(seed)
    for d in detections:  # distinct scores: of equal ones the order decides
        d.scores = torch.from_numpy(rng.uniform(0.3, 1, len(d.scores))).float()
    ranking = ContextBipartiteGraphMatching(4, 3)
    expected = evaluate_search(protocol, detections, query_feats, ranking=ranking)
    images = rng.permutation(len(detections))
    queries = rng.permutation(len(query_feats))
    shuffled = SearchProtocol([protocol.images[i] for i in images], [protocol.queries[i] for i in queries])
    inner = [detections[i][torch.from_numpy(rng.permutation(len(detections[i].scores)))] for i in images]
    result = evaluate_search(shuffled, inner, query_feats[torch.from_numpy(queries)], ranking=ranking)
    aps = dict(zip(queries[result.query_inds].tolist(), result.aps))
    np.testing.assert_allclose([aps[i] for i in expected.query_inds.tolist()], expected.aps, atol=1e-9)
    assert result.topk == expected.topk


@pytest.mark.parametrize("galleries", [AllImages(), (6,)])
def test_chunks_and_blocks_do_not_matter(galleries, monkeypatch):
    case = draw_case(4, num_queries=25, galleries=galleries)
    ranking = ContextBipartiteGraphMatching(5, 3)
    expected = evaluate_search(*case, ranking=ranking)
    for limit in (1, 60):
        monkeypatch.setattr(search_module, "_MAX_SIMILARITIES", limit)
        monkeypatch.setattr(cbgm_module, "_MAX_NUMBERS", limit)
        np.testing.assert_allclose(evaluate_search(*case, ranking=ranking).aps, expected.aps, atol=1e-9)


def test_blocks_keep_to_the_limit(monkeypatch):
    monkeypatch.setattr(cbgm_module, "_MAX_NUMBERS", 10_000)
    counts = np.sort(np.random.default_rng(0).integers(1, 40, 200))[::-1]
    blocks = list(cbgm_module._blocks(counts, 3, 16))
    assert np.concatenate([counts[block] for block in blocks]).tolist() == counts.tolist()
    for block in blocks:
        size, width = len(counts[block]), counts[block].max()
        assert size == 1 or size * (width * 16 + 3 * 16 + 3 * width) <= 10_000
    assert len(blocks) < 20


def test_each_gallery_has_its_own_images():
    case = draw_case(5, num_images=20, num_queries=12, galleries=(4, 8))
    rankings = [None, ContextBipartiteGraphMatching(2, 3), ContextBipartiteGraphMatching(3, 2, name="two")]
    results = evaluate_searches(*case, rankings=rankings)
    assert [(r.gallery, r.ranking) for r in results] == [(g, n) for g in (4, 8) for n in (None, "cbgm", "two")]
    for result, ranking in zip(results, rankings * 2):
        one = evaluate_search(*case, ranking=ranking, gallery=result.gallery)
        np.testing.assert_array_equal(result.aps, one.aps)
    assert not np.array_equal(results[0].aps, results[1].aps)


def test_images_outside_of_the_gallery_do_not_crowd_out():
    # The query's own image and one of its camera are more similar than the only one of the gallery.
    images = [[[0.9, 0, 0, 0], [0, 0.4, 0, 0]], [[0.5, 0, 0, 0], [0, 0.3, 0, 0]]]
    protocol, detections, query_feats = worked_case(images)
    for image, camera in zip(protocol.images, (0, 0, 1)):
        image.camera_id = camera
    protocol.galleries = CrossCamera()
    rows = gallery_rows((protocol, detections, query_feats), num_images=1, num_persons=2)
    np.testing.assert_allclose(rows, [[0.9, 0], [0.8, 0]], atol=1e-6)


def test_float64():
    case = draw_case(6, dtype=torch.float64)
    result = evaluate_search(*case, ranking=ContextBipartiteGraphMatching(4, 3))
    judge = slow_search(*case, rerank=slow_matching(*case, 4, 3))
    np.testing.assert_allclose(result.aps, judge[2], atol=1e-9)


def test_metric_reports_each_ranking_under_its_own_key():
    protocol, detections, query_feats = case = draw_case(8, num_images=16, num_queries=12)
    rankings = [
        None,
        dict(type="RankingWithContextPersons"),
        dict(type="ContextBipartiteGraphMatching", num_images=4, num_persons=3),
        dict(type="ContextBipartiteGraphMatching", num_images=2, num_persons=2, name="cbgm-small"),
    ]
    metric = PersonSearchMetric(rankings=rankings, topk=(1,))
    metric.dataset_meta = dict(search_protocol=protocol)
    for image, dets in zip(protocol.images, detections):
        ids = [i for i, query in enumerate(protocol.queries) if query.img_id == image.img_id]
        queries = dict(query_ids=torch.tensor(ids, dtype=torch.int64), reid_feats=query_feats[ids])
        metric.process(None, [dict(img_id=image.img_id, pred_instances=dets, query_instances=queries)])
    metrics = metric.evaluate(len(protocol.images))
    built = {
        "": None,
        "rcp/": RankingWithContextPersons(),
        "cbgm/": ContextBipartiteGraphMatching(4, 3),
        "cbgm-small/": ContextBipartiteGraphMatching(2, 2),
    }
    assert {k for k in metrics if k.startswith("person_search")} == {
        f"person_search/{stem}{figure}" for stem in built for figure in ("mAP", "top-1")
    }
    for stem, ranking in built.items():
        result = evaluate_search(*case, ranking=ranking)
        assert metrics[f"person_search/{stem}mAP"] == result.mAP
        assert metrics[f"person_search/{stem}top-1"] == result.topk[1]
    assert len({metrics[f"person_search/{stem}mAP"] for stem in built}) == len(built)


@pytest.mark.parametrize("key", ["num_images", "num_persons"])
@pytest.mark.parametrize("value", [0, -1, 2.5, float("nan"), None])
def test_bad_parameters(key, value):
    with pytest.raises(ValueError, match=f"{key} must be an integer >= 1, got {value}"):
        ContextBipartiteGraphMatching(**{key: value})


def test_built_from_a_config():
    ranking = RANKINGS.build(dict(type="ContextBipartiteGraphMatching", num_images=10, num_persons=3))
    assert (ranking.num_images, ranking.num_persons, ranking.name) == (10, 3, "cbgm")
    assert ranking.depends_on_gallery
