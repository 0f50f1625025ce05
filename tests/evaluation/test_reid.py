"""Re-ID: rank-k and mAP against a slow reference, its protocols, single-shot draws, and bad input."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from mmpersonsearch.evaluation import ReIDImages, evaluate_reid, rank_reid, reid

PROTOCOLS = ("standard", "same-clothes", "cross-clothes")


def skips(protocol, a, b):
    """Whether a query of (person, camera, clothes) ``a`` skips the gallery image ``b``."""
    if a[0] != b[0]:
        return False
    same_clothes = a[2] == b[2]
    return (
        a[1] == b[1] or {"standard": False, "same-clothes": not same_clothes, "cross-clothes": same_clothes}[protocol]
    )


def reference(query, gallery, protocol, ks):
    """Average precisions of the queries with a match, and hits within k, one by one."""
    facts = [list(zip(one.person_ids, one.camera_ids, one.clothes_ids)) for one in (query, gallery)]
    aps, hits = {}, {k: [] for k in ks}
    for i, (feat, own) in enumerate(zip(query.feats, facts[0])):
        kept = [j for j, other in enumerate(facts[1]) if not skips(protocol, own, other)]
        right = np.array([facts[1][j][0] == own[0] for j in kept])
        sims = np.array([float(feat.double() @ gallery.feats[j].double()) for j in kept])
        if right.any():
            aps[i] = average_precision_score(right, sims)
            order = np.argsort(-sims, kind="stable")
            for k in ks:
                hits[k].append(right[order[:k]].any())
    return aps, {k: np.mean(values) for k, values in hits.items()}


def draw(rng, number, ids=6, width=5, whole=False):
    feats = rng.integers(-2, 3, (number, width)) if whole else rng.normal(size=(number, width))
    numbers = [rng.integers(0, n, number) for n in (ids, 3, 2)]
    return ReIDImages(torch.tensor(feats, dtype=torch.float64), *numbers)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("whole", [False, True], ids=["", "with equal similarities"])
def test_agrees_with_a_slow_reference(protocol, whole, monkeypatch):
    monkeypatch.setattr(reid, "_MAX_SIMILARITIES", 150)  # several chunks
    rng = np.random.default_rng(0)
    query, gallery = draw(rng, 23, ids=8, whole=whole), draw(rng, 40, whole=whole)
    found = evaluate_reid(query, gallery, protocol, topk=(1, 2, 5, 100), normalize=False)
    aps, hits = reference(query, gallery, protocol, (1, 2, 5, 100))
    assert found.query_inds.tolist() == list(aps) and found.num_skipped == 23 - len(aps) > 0
    np.testing.assert_allclose(found.aps, list(aps.values()), rtol=1e-12)
    assert found.mAP == pytest.approx(np.mean(list(aps.values()))) and found.topk == pytest.approx(hits)
    assert found.gallery == protocol


def test_worked_out_by_hand():
    """Similarities 4, 3, 2, 1 to a wrong, a right, a wrong and a right image, after one of the query's camera."""
    query = ReIDImages(torch.tensor([[1.0]]), [7], [1], [1])
    gallery = ReIDImages(torch.tensor([[5.0], [4], [3], [2], [1]]), [7, 8, 7, 9, 7], [1, 1, 2, 1, 3], [1, 1, 1, 1, 2])
    found = evaluate_reid(query, gallery, topk=(1, 2), normalize=False)
    assert found.mAP == pytest.approx((1 / 2 + 2 / 4) / 2) and found.topk == {1: 0.0, 2: 1.0}
    assert evaluate_reid(query, gallery, "same-clothes", normalize=False).mAP == pytest.approx(1 / 2)
    across = evaluate_reid(query, gallery, "cross-clothes", topk=(1, 2, 3), normalize=False)
    assert across.mAP == pytest.approx(1 / 3) and across.topk == {1: 0.0, 2: 0.0, 3: 1.0}
    (ranked,) = rank_reid(query, gallery, [0], k=9, protocol="cross-clothes", normalize=False)
    assert ranked.image_inds.tolist() == [1, 3, 4] and ranked.right.tolist() == [False, False, True]
    assert ranked.similarities.tolist() == [4, 2, 1]


def test_cosine_or_dot_product():
    query = ReIDImages(torch.tensor([[1.0, 0.0]]), [1], [1])
    gallery = ReIDImages(torch.tensor([[9.0, 9.0], [1.0, 0.0], [0.0, 0.0]]), [2, 1, 2], [2, 2, 2])
    assert evaluate_reid(query, gallery).topk[1] == 1.0
    assert evaluate_reid(query, gallery, normalize=False).topk[1] == 0.0


def test_a_draw_has_one_image_of_each_person_and_the_seed_decides(monkeypatch):
    rng = np.random.default_rng(1)
    query, gallery = draw(rng, 12), draw(rng, 60)
    query.camera_ids += 10  # all have a match
    draws = reid._draw_galleries(gallery.person_ids, 10, seed=3)
    for columns in draws:
        assert columns.tolist() == sorted(columns.tolist())  # in the gallery's order
        assert gallery.person_ids[columns].tolist().count(0) == 1 and len(columns) == len(set(gallery.person_ids))
    assert len({tuple(columns.tolist()) for columns in draws}) == 10
    found = evaluate_reid(query, gallery, num_draws=10, seed=3, normalize=False)
    alone = [reference(query, reid._part(gallery, columns.numpy()), "standard", (1, 5, 10)) for columns in draws]
    assert found.mAP == pytest.approx(np.mean([list(aps.values()) for aps, _ in alone]))
    np.testing.assert_allclose(found.aps, np.mean([list(aps.values()) for aps, _ in alone], axis=0))
    assert found.topk == pytest.approx({k: np.mean([hits[k] for _, hits in alone]) for k in (1, 5, 10)})
    again, other = (evaluate_reid(query, gallery, num_draws=10, seed=seed, normalize=False) for seed in (3, 4))
    assert again.mAP == found.mAP != other.mAP


def test_a_query_without_a_match_in_a_draw_counts_in_the_others():
    query = ReIDImages(torch.ones(2, 1), [1, 2], [1, 1])
    gallery = ReIDImages(torch.ones(3, 1), [1, 1, 2], [1, 2, 2])  # half of the draws show 1 in the query's camera alone
    found = evaluate_reid(query, gallery, num_draws=20)
    assert found.query_inds.tolist() == [0, 1] and found.num_skipped == 0
    np.testing.assert_allclose(found.aps[0], 1 / 2)


def test_a_draw_in_which_no_query_has_a_match_is_left_out():
    query = ReIDImages(torch.ones(1, 1), [1], [1])
    gallery = ReIDImages(torch.tensor([[1.0], [1.0], [2.0]]), [1, 1, 2], [1, 2, 2])
    found = evaluate_reid(query, gallery, num_draws=20, normalize=False)
    assert found.mAP == 0.5 and found.topk == {1: 0, 5: 1, 10: 1} and found.num_skipped == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(protocol="all"), "protocol must be one of .*got 'all'"),
        (dict(width=4), "differ in width: 4 and 5"),
        (dict(nan=True), "embedding of query image 2 is not finite"),
        (dict(clothes=None, protocol="cross-clothes"), "cross-clothes protocol needs the clothes .* query list"),
        (dict(persons=99), "by the standard protocol no query has a match"),
        (dict(persons=[1, 2]), "expected feats"),
    ],
)
def test_bad_input_is_named(change, words):
    rng = np.random.default_rng(0)
    gallery = draw(rng, 9)
    feats = torch.tensor(rng.normal(size=(4, change.get("width", 5))))
    if change.get("nan"):
        feats[2, 1] = torch.nan
    with pytest.raises(ValueError, match=words):
        persons = np.broadcast_to(change.get("persons", 1), 2 if isinstance(change.get("persons"), list) else 4)
        query = ReIDImages(feats, persons, np.zeros(4), change.get("clothes", np.zeros(4)))
        evaluate_reid(query, gallery, change.get("protocol", "standard"))
    with pytest.raises(ValueError, match="query_inds: 9 is not a query, there are 9"):
        rank_reid(gallery, gallery, [9])
