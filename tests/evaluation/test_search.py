import warnings

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from random_cases import draw_case

from mmpersonsearch.evaluation import evaluate_search, evaluate_searches
from mmpersonsearch.evaluation import search as search_module
from mmpersonsearch.evaluation.index import gallery as galleries_module
from mmpersonsearch.evaluation.index import true_pairs
from mmpersonsearch.structures import AllImages, CrossCamera, ImageList, Listed, Query, SceneImage, SearchProtocol
from mmpersonsearch.testing import iou, slow_search

pytestmark = pytest.mark.filterwarnings("ignore:queries skipped")


def assert_equal(result, judge):
    mAP, topk, aps, evaluated = judge
    np.testing.assert_array_equal(result.query_inds, evaluated)
    np.testing.assert_allclose(result.aps, aps, atol=1e-6)
    assert result.mAP == pytest.approx(mAP, abs=1e-6)
    assert result.topk == pytest.approx(topk, abs=1e-6)
    assert result.num_queries == len(evaluated)


def check(case, size=None, **kwargs):
    protocol, detections, query_feats = case
    judge = slow_search(protocol, detections, query_feats, size=size, **kwargs)
    if judge is None:
        with pytest.raises(ValueError, match="none of the"):
            evaluate_search(protocol, detections, query_feats, gallery=size, **kwargs)
        return
    result = evaluate_search(protocol, detections, query_feats, gallery=size, **kwargs)
    assert_equal(result, judge)
    assert result.num_queries + result.num_skipped == len(protocol.queries)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("galleries", [AllImages(), CrossCamera()])
def test_equals_the_definition(seed, galleries):
    check(draw_case(seed, galleries=galleries))


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("galleries", [AllImages(), CrossCamera(), (5,)])
def test_equals_the_definition_with_ties(seed, galleries):
    # width 2 and one level: similarities are 0, +-1, +-2, nearly all tied.
    case = draw_case(seed, width=2, levels=1, num_persons=3, galleries=galleries)
    check(case, size=5 if galleries == (5,) else None, topk=(1, 2, 3, 5, 10))


@pytest.mark.parametrize("seed", range(40))
def test_equals_the_definition_for_listed_galleries(seed):
    case = draw_case(seed, galleries=(3, 8), levels=seed % 2 * 2)
    check(case, size=3)
    check(case, size=8)


@pytest.mark.parametrize("det_thr", [0.0, 0.35, 0.7, 0.95, 1.5])
def test_equals_the_definition_at_other_thresholds(det_thr):
    for seed in range(5):
        check(draw_case(seed), det_thr=det_thr, topk=(1, 3))


def test_equals_the_definition_on_a_crowded_set():
    check(draw_case(0, num_images=60, num_persons=5, num_queries=40, width=8))


def test_float64_embeddings():
    for seed in range(5):
        case = draw_case(seed, dtype=torch.float64)
        # Differences that float32 would round to ties.
        for instances in case[1]:
            instances.reid_feats = 1 + 1e-10 * instances.reid_feats
        check(case)


def test_half_precision_is_computed_in_float32():
    protocol, detections, query_feats = draw_case(1, levels=4)
    halves = [InstanceData(bboxes=d.bboxes, scores=d.scores, reid_feats=d.reid_feats.half()) for d in detections]
    expected = evaluate_search(protocol, detections, query_feats)
    np.testing.assert_array_equal(evaluate_search(protocol, halves, query_feats.half()).aps, expected.aps)
    np.testing.assert_array_equal(evaluate_search(protocol, halves, query_feats.bfloat16()).aps, expected.aps)


def instances(*rows):
    """Detections from rows of x1, y1, x2, y2, score, embedding."""
    table = torch.tensor(rows, dtype=torch.float32).reshape(len(rows), -1 if rows else 6)
    return InstanceData(bboxes=table[:, :4], scores=table[:, 4], reid_feats=table[:, 5:])


BOX, FAR = (0, 0, 100, 100), (200, 0, 300, 100)


def worked_case():
    """Person 0 in images 1, 2, 3, one wrong person in image 4; similarity = the one-number embedding."""
    images = [SceneImage(0, [BOX], [0])]
    images += [SceneImage(i, [BOX], [0]) for i in (1, 2, 3)]
    images += [SceneImage(4, [BOX], [1])]
    detections = [
        instances((*BOX, 1, 9.0)),  # the query's own image: not in the gallery
        instances((*FAR, 1, 0.9), (*BOX, 1, 0.8)),
        instances((*BOX, 1, 0.6), (0, 0, 90, 100, 1, 0.7)),
        instances((*BOX, 0.4, 0.99)),  # below det_thr: not found
        instances((*BOX, 1, 0.5), (*FAR, 1, 0.75)),
    ]
    return SearchProtocol(images, [Query(0, BOX, 0)]), detections, torch.ones(1, 1)


def test_worked_example():
    # Ranked: 0.9 wrong, 0.8 right, 0.75 wrong, 0.7 right, 0.6 wrong (its image has its right match), 0.5 wrong.
    # Precision at the right ones 1/2 and 2/4; average 0.5; recall 2/3.
    result = evaluate_search(*worked_case(), topk=(1, 2, 5))
    assert result.mAP == pytest.approx(0.5 * 2 / 3, abs=1e-12)
    assert result.topk == {1: 0.0, 2: 1.0, 5: 1.0}
    assert (result.num_queries, result.num_skipped, result.gallery, result.ranking) == (1, 0, "all", None)


def test_equal_similarities_count_together():
    protocol, detections, query_feats = worked_case()
    detections[1].reid_feats[:] = 0.8  # a right and a wrong one with 0.8: precision 1/2 there, then 2/4
    detections[4].reid_feats[:] = 0.75
    # 0.8, 0.8, 0.75, 0.75, 0.7: precisions 1/2 and 2/5.
    result = evaluate_search(protocol, detections, query_feats, topk=(1,))
    assert result.mAP == pytest.approx((1 / 2 + 2 / 5) / 2 * 2 / 3, abs=1e-12)
    # Within image 1 the later detection (the right one) is listed first, so it comes last when the list is reversed.
    assert result.topk == {1: 0.0}


@pytest.mark.parametrize(("width", "right"), [(8, 1.0), (6, 0.0)])
def test_small_true_boxes_ask_for_less_overlap(width, right):
    # A true box of 20 x 10 asks for 200 / (30 * 20) = 1/3; a detection inside it of width 8 has 0.4, of width 6 0.3.
    inside = (0, 0, width, 10)
    images = [SceneImage("a", [BOX], [0]), SceneImage("b", [(0, 0, 20, 10)], [0])]
    detections = [instances(), instances((*inside, 1, 1.0))]
    result = evaluate_search(SearchProtocol(images, [Query("a", BOX, 0)]), detections, torch.ones(1, 1))
    assert result.mAP == right


def test_overlap_at_the_threshold_is_enough():
    images = [SceneImage("a", [BOX], [0]), SceneImage("b", [BOX], [0])]
    protocol = SearchProtocol(images, [Query("a", BOX, 0)])
    # 100 x 100: min(0.5, 10000 / 12100) = 0.5.
    found = evaluate_search(protocol, [instances(), instances((0, 0, 50, 100, 1, 1.0))], torch.ones(1, 1))
    missed = evaluate_search(protocol, [instances(), instances((0, 0, 49.99, 100, 1, 1.0))], torch.ones(1, 1))
    assert (found.mAP, missed.mAP) == (1.0, 0.0)


def test_the_first_of_two_boxes_of_one_person_is_the_true_one():
    protocol, detections, query_feats = worked_case()
    protocol.images[1] = SceneImage(1, [FAR, BOX], [0, 0])
    # Now 0.9 is right: precisions 1 and 2/4.
    result = evaluate_search(protocol, detections, query_feats)
    assert result.mAP == pytest.approx((1 + 2 / 4) / 2 * 2 / 3, abs=1e-12)


def test_nothing_detected_anywhere():
    protocol, _, query_feats = worked_case()
    result = evaluate_search(protocol, [instances()] * 5, query_feats)
    assert result.mAP == 0 and set(result.topk.values()) == {0.0}
    listed = SearchProtocol(protocol.images, protocol.queries, Listed({1: [ImageList([1], [0], [BOX])]}))
    assert evaluate_search(listed, [instances()] * 5, query_feats).mAP == 0


def test_only_the_right_persons_detected():
    protocol = draw_case(3)[0]
    perfect = torch.eye(6)
    exact = [
        InstanceData(
            bboxes=torch.tensor(image.bboxes[image.person_ids >= 0], dtype=torch.float32),
            scores=torch.ones(int((image.person_ids >= 0).sum())),
            reid_feats=perfect[image.person_ids[image.person_ids >= 0]],
        )
        for image in (
            # an image lists a person once
            SceneImage(i.img_id, i.bboxes[f], i.person_ids[f])
            for i in protocol.images
            for f in [np.unique(i.person_ids, return_index=True)[1]]
        )
    ]
    result = evaluate_search(protocol, exact, perfect[[q.person_id for q in protocol.queries]])
    assert result.mAP == 1 and result.topk[1] == 1


def test_order_of_images_and_detections_does_not_matter():
    protocol, detections, query_feats = draw_case(5)
    expected = evaluate_search(protocol, detections, query_feats)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(detections))
    shuffled = SearchProtocol([protocol.images[i] for i in order], protocol.queries)
    mixed = [d[torch.from_numpy(rng.permutation(len(d.scores)))] for d in detections]
    result = evaluate_search(shuffled, [mixed[i] for i in order], query_feats)
    np.testing.assert_allclose(result.aps, expected.aps, atol=1e-12)
    assert result.topk == expected.topk


def test_scale_does_not_matter():
    protocol, detections, query_feats = draw_case(6)
    expected = evaluate_search(protocol, detections, query_feats)
    for d in detections:
        d.reid_feats = d.reid_feats * 4
    result = evaluate_search(protocol, detections, query_feats * 0.5)
    np.testing.assert_array_equal(result.aps, expected.aps)


def test_a_wrong_detection_more_never_helps_and_a_right_image_lost_never_either():
    protocol, detections, query_feats = draw_case(7, num_queries=4)
    expected = evaluate_search(protocol, detections, query_feats)
    worse = [
        InstanceData(
            bboxes=torch.cat([d.bboxes, torch.tensor([[900.0, 900, 950, 990]])]),
            scores=torch.cat([d.scores, torch.ones(1)]),
            reid_feats=torch.cat([d.reid_feats, query_feats[:1]]),
        )
        for d in detections
    ]
    assert (evaluate_search(protocol, worse, query_feats).aps <= expected.aps + 1e-12).all()
    fewer = [d[:0] if i % 2 else d for i, d in enumerate(detections)]
    assert evaluate_search(protocol, fewer, query_feats).num_queries == expected.num_queries


@pytest.mark.parametrize("galleries", [AllImages(), CrossCamera(), (6,)])
def test_chunks_do_not_matter(galleries, monkeypatch):
    case = draw_case(8, num_queries=25, levels=8, galleries=galleries)
    expected = evaluate_search(*case)
    monkeypatch.setattr(search_module, "_MAX_SIMILARITIES", 1)
    monkeypatch.setattr(true_pairs, "_MAX_COMPARISONS", 1)
    np.testing.assert_array_equal(evaluate_search(*case).aps, expected.aps)
    monkeypatch.setattr(search_module, "_MAX_SIMILARITIES", 300)
    result = evaluate_search(*case)
    np.testing.assert_array_equal(result.aps, expected.aps)
    assert result.topk == expected.topk


@pytest.mark.parametrize("galleries", [AllImages(), CrossCamera(), (6,)])
def test_what_ranks_before_true_positives_is_selected(galleries, monkeypatch):
    """In their rows, once each, equal ones too; and results are those of whole galleries."""
    case = draw_case(10, num_queries=25, levels=8, galleries=galleries)
    index = search_module.build_search_index(*case, 0.5)
    gallery = galleries_module.build_gallery(case[0], index)
    inds = torch.arange(25).flip(0)
    sims = index.similarities(inds)
    least = sims.quantile(torch.rand(25, generator=torch.Generator().manual_seed(0)), dim=1).diagonal().clone()
    least[3] = torch.inf
    whole = gallery.arrange(sims, inds)
    expected = evaluate_search(*case)
    monkeypatch.setattr(galleries_module, "_FEW", 1)
    monkeypatch.setattr(gallery, "max_columns", sims.shape[1])
    monkeypatch.setattr(gallery, "arrange", None)
    selected = gallery.select(sims, inds, least)
    for row, arranged, value in zip(selected, whole, least):
        assert row[row > -torch.inf].sort()[0].tolist() == arranged[arranged >= value].sort()[0].tolist()
    assert selected.shape[1] < whole.shape[1]
    result = evaluate_search(*case)
    np.testing.assert_array_equal(result.aps, expected.aps)
    assert result.topk == expected.topk


def test_chunks_keep_a_scene_together_and_hold_every_query_once(monkeypatch):
    protocol, detections, query_feats = draw_case(9, num_images=10, num_queries=40)
    index = search_module.build_search_index(protocol, detections, query_feats, 0.5)
    gallery = galleries_module.build_gallery(protocol, index)
    monkeypatch.setattr(search_module, "_MAX_SIMILARITIES", 12 * len(index.image_inds))
    chunks = [inds for inds, _ in search_module.iterate_chunks(index, [gallery], torch.arange(40))]
    assert torch.cat(chunks).sort()[0].tolist() == list(range(40))
    assert len(chunks) > 2 and max(map(len, chunks)) <= 12
    scenes = [set(index.query_image_inds[inds].tolist()) for inds in chunks]
    assert sum(map(len, scenes)) == len(set().union(*scenes))


def test_queries_nowhere_in_their_gallery_are_skipped_with_one_warning():
    protocol, detections, query_feats = worked_case()
    protocol.queries += [Query(4, BOX, 1), Query(0, BOX, 7)]
    with pytest.warns(UserWarning, match=r"2 in gallery 'all' \(of 3\)") as records:
        result = evaluate_search(protocol, detections, query_feats.expand(3, 1))
    assert len(records) == 1
    assert (result.num_skipped, result.query_inds.tolist()) == (2, [0])
    assert result.mAP == pytest.approx(1 / 3) and np.isfinite(result.aps).all()


def test_no_query_can_be_evaluated():
    images = [SceneImage("a", [BOX], [0]), SceneImage("b", [BOX], [1])]
    protocol = SearchProtocol(images, [Query("a", BOX, 0)])
    with pytest.raises(ValueError, match="none of the 1 queries"):
        evaluate_search(protocol, [instances((*BOX, 1, 1.0))] * 2, torch.ones(1, 1))
    with pytest.raises(ValueError, match="none of the 0 queries"):
        evaluate_search(SearchProtocol(images, []), [instances((*BOX, 1, 1.0))] * 2, torch.ones(0, 1))


def test_a_query_in_its_own_image_only_twice_is_skipped():
    images = [SceneImage("a", [BOX, FAR], [0, 0]), SceneImage("b", [BOX], [1])]
    protocol = SearchProtocol(images, [Query("a", BOX, 0)])
    with pytest.raises(ValueError, match="none of the 1 queries"):
        evaluate_search(protocol, [instances((*BOX, 1, 1.0))] * 2, torch.ones(1, 1))


def test_several_galleries_at_once_equal_one_by_one():
    protocol, detections, query_feats = draw_case(10, galleries=(4, 7))
    results = evaluate_searches(protocol, detections, query_feats)
    assert [r.gallery for r in results] == [4, 7]
    for result in results:
        one = evaluate_search(protocol, detections, query_feats, gallery=result.gallery)
        np.testing.assert_array_equal(result.aps, one.aps)
        assert result.topk == one.topk
    with pytest.raises(ValueError, match=r"\[4, 7\], got None"):
        evaluate_search(protocol, detections, query_feats)
    with pytest.raises(ValueError, match=r"\[4, 7\], got 100"):
        evaluate_search(protocol, detections, query_feats, gallery=100)
    only = SearchProtocol(protocol.images, protocol.queries, Listed({4: protocol.galleries.lists[4]}))
    np.testing.assert_array_equal(evaluate_search(only, detections, query_feats).aps, results[0].aps)


def test_a_gallery_of_a_whole_protocol_has_no_size():
    with pytest.raises(ValueError, match="'all', got 100"):
        evaluate_search(*worked_case(), gallery=100)


def test_inputs_are_left_as_they_are():
    protocol, detections, query_feats = draw_case(11, galleries=(4,))
    before = [d.clone() for d in detections]
    copy = query_feats.clone()
    evaluate_search(protocol, detections, query_feats)
    assert torch.equal(copy, query_feats)
    for a, b in zip(before, detections):
        assert all(torch.equal(a.get(k), b.get(k)) for k in ("bboxes", "scores", "reid_feats"))


# Bad input


def test_an_image_without_camera_is_named():
    protocol, detections, query_feats = draw_case(12, galleries=CrossCamera())
    protocol.images[3].camera_id = None
    with pytest.raises(ValueError, match=r"'im3'.*camera"):
        evaluate_search(protocol, detections, query_feats)


def test_wrong_numbers_are_named():
    protocol, detections, query_feats = draw_case(13)
    with pytest.raises(ValueError, match="12 images, got 11"):
        evaluate_search(protocol, detections[1:], query_feats)
    with pytest.raises(ValueError, match=r"9 queries, .*\(8, 4\)"):
        evaluate_search(protocol, detections, query_feats[1:])
    with pytest.raises(ValueError, match=r"9 queries, .*\(9,\)"):
        evaluate_search(protocol, detections, query_feats[:, 0])
    with pytest.raises(ValueError, match=r"'im\d+': expected .*\(n, 3\).*4\)"):
        evaluate_search(protocol, detections, query_feats[:, :3])


def test_missing_fields_are_named():
    protocol, detections, query_feats = draw_case(14)
    del detections[5].reid_feats
    with pytest.raises(ValueError, match="'im5': detections lack reid_feats"):
        evaluate_search(protocol, detections, query_feats)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite_are_named(value):
    for name in ("reid_feats", "bboxes", "scores"):
        protocol, detections, query_feats = draw_case(15)
        image = max(range(12), key=lambda i: len(detections[i].scores))
        detections[image].get(name)[0] = value
        with pytest.raises(ValueError, match=f"{name} not finite in 1 image.*'im{image}'"):
            evaluate_search(protocol, detections, query_feats)
    protocol, detections, query_feats = draw_case(15)
    query_feats[4, 1] = value
    with pytest.raises(ValueError, match=f"query 4 .*{protocol.queries[4].img_id}"):
        evaluate_search(protocol, detections, query_feats)


def test_embeddings_whose_products_overflow():
    protocol, detections, query_feats = draw_case(15)
    for found in detections:
        found.reid_feats *= 1e25
    with pytest.raises(ValueError, match=r"overflow torch\.float32"):
        evaluate_search(protocol, detections, query_feats * 1e20)


def test_negative_identity_of_a_query():
    protocol, detections, query_feats = draw_case(16)
    protocol.queries[2].person_id = -1
    with pytest.raises(ValueError, match=r"query 2 .*person_id"):
        evaluate_search(protocol, detections, query_feats)


@pytest.mark.parametrize(
    ("inds", "boxes", "message"),
    [
        ([1, 1], [BOX, BOX], "gallery 2, query 0: image 1 is listed twice"),
        ([1, 5], [BOX, BOX], "query 0: image index 5.*5 images"),
        ([1, -1], [BOX, BOX], "query 0: image index -1"),
        ([1, 2], [BOX, (0, 0, np.nan, 1)], "query 0: true box .* in image 2"),
        ([1, 2], [BOX, (0, 0, np.inf, 1)], "query 0: true box .* in image 2"),
    ],
)
def test_malformed_lists_are_named(inds, boxes, message):
    protocol, detections, query_feats = worked_case()
    listed = SearchProtocol(protocol.images, protocol.queries, Listed({2: [ImageList(inds, [0, 1], boxes)]}))
    with pytest.raises(ValueError, match=message):
        evaluate_search(listed, detections, query_feats)


def test_empty_images_may_have_embeddings_of_no_width():
    protocol, detections, query_feats = worked_case()
    detections[3] = InstanceData(bboxes=torch.zeros(0, 4), scores=torch.zeros(0), reid_feats=torch.zeros(0, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert evaluate_search(protocol, detections, query_feats).mAP == pytest.approx(1 / 3)


@pytest.mark.parametrize("seed", range(12))
def test_regions_to_ignore_equal_the_definition_without_what_lies_in_them(seed):
    """Which detections are skipped is found in loops; the rest is the search without regions."""
    protocol, detections, query_feats = draw_case(seed)
    rng, num_skipped = np.random.default_rng(seed), 0
    scenes, left = [], []
    for image, found in zip(protocol.images, detections):
        corner = rng.uniform(0, 60, (2, 2))
        regions = np.concatenate([corner, corner + rng.uniform(60, 200, (2, 2))], axis=1)[: rng.integers(3)]
        skipped = [in_region(box, regions) and not on_person(box, image.bboxes) for box in found.bboxes.tolist()]
        num_skipped += sum(skipped)
        scenes.append(SceneImage(image.img_id, image.bboxes, image.person_ids, image.camera_id, regions))
        left.append(found[~torch.tensor(skipped, dtype=torch.bool)] if len(found.scores) else found)
    judge = slow_search(protocol, left, query_feats)
    result = evaluate_search(SearchProtocol(scenes, protocol.queries, protocol.galleries), detections, query_feats)
    assert num_skipped > 0
    assert_equal(result, judge)


def in_region(box, regions):
    area = (box[2] - box[0]) * (box[3] - box[1])
    sides = [(min(box[2], r[2]) - max(box[0], r[0]), min(box[3], r[3]) - max(box[1], r[1])) for r in regions]
    return any(max(w, 0) * max(h, 0) >= area / 2 for w, h in sides)


def on_person(box, persons):
    sides = [(x2 - x1, y2 - y1) for x1, y1, x2, y2 in persons]
    return any(iou(box, p) >= min(0.5, w * h / ((w + 10) * (h + 10))) for p, (w, h) in zip(persons, sides))


def test_a_detection_of_the_person_in_a_region_to_ignore_is_found_and_others_there_count_neither_way():
    person, beside = [0, 0, 40, 40], [60, 0, 100, 40]
    feats = torch.tensor([[0.9, 0.1], [1.0, 0.0]])
    scores = torch.ones(2)
    found = [InstanceData(bboxes=torch.tensor([person, beside]).float(), scores=scores, reid_feats=feats)] * 2

    def aps(*regions):
        images = [SceneImage("q", [person], [1]), SceneImage("g", [person], [1], None, [*regions])]
        return evaluate_search(SearchProtocol(images, [Query("q", person, 1)]), found, torch.tensor([[1.0, 0.0]])).aps

    assert aps() == aps([81, 0, 200, 40]) == [0.5]  # 19 of 40 columns of the other detection
    assert aps([80, 0, 200, 40]) == aps([0, 0, 200, 40]) == [1]
