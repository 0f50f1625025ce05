import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from mmpersonsearch.evaluation.hit_curve import measure_hits
from mmpersonsearch.structures import Query, SceneImage, SearchProtocol
from mmpersonsearch.utils.errors import InputError

BOX = np.array([0, 0, 20, 40.0])


def detect(*persons):
    """Detections of one picture from (left, similarity, score); the query's embedding is (1, 0)."""
    lefts, similarities, scores = np.array(persons, dtype=float).reshape(-1, 3).T
    bboxes = torch.tensor(BOX + lefts[:, None] * [1, 0, 1, 0]).float()
    feats = torch.tensor(np.column_stack([similarities, np.sqrt(1 - similarities**2)]))
    return InstanceData(bboxes=bboxes.reshape(-1, 4), scores=torch.tensor(scores), reid_feats=feats.reshape(-1, 2))


def example():
    """One query; of its person there are five other pictures, and four are without."""
    persons = [7, 7, 7, 7, 7, 7, 8, 8, -1, 9]
    images = [SceneImage(i, [BOX], [person]) for i, person in enumerate(persons)]
    detections = [
        detect((0, 1.0, 0.9)),  # the query's own picture
        detect((0, 0.9, 0.9), (100, 0.3, 0.9)),  # right
        detect((0, 0.6, 0.9)),  # right
        detect((0, 0.4, 0.9), (100, 0.5, 0.9)),  # somebody else is more similar
        detect((100, 0.2, 0.9)),  # missed
        detect(),
        detect((0, 0.7, 0.9), (50, 0.1, 0.9)),
        detect((0, 0.2, 0.9)),
        detect((0, 0.8, 0.4)),  # below the threshold of scores
        detect((0, -0.5, 0.9)),
    ]
    return SearchProtocol(images, [Query(0, BOX, 7)]), detections, torch.tensor([[1.0, 0.0]]).double()


def test_a_worked_out_example():
    curve = measure_hits(*example())
    np.testing.assert_allclose(curve.thresholds, [-0.5, 0.2, 0.5, 0.6, 0.7, 0.9])
    assert curve.hits.tolist() == [7, 6, 4, 3, 2, 1]
    np.testing.assert_allclose(curve.precision, [2 / 7, 2 / 6, 2 / 4, 2 / 3, 1 / 2, 1])
    np.testing.assert_allclose(curve.recall, [0.4, 0.4, 0.4, 0.4, 0.2, 0.2])
    np.testing.assert_allclose(curve.false_positive_rate, [3 / 4, 2 / 4, 1 / 4, 1 / 4, 1 / 4, 0])
    chosen = {
        0.6: curve.choose(precision=0.6),
        0.2: curve.choose(false_positive_rate=0.5),
        0.5: curve.choose(false_positive_rate=0.3),
        0.9: curve.choose(false_positive_rate=0.1),
    }
    assert [round(float(curve.thresholds[place]), 6) for place in chosen.values()] == list(chosen)
    protocol, detections, feats = example()
    detections[6] = detect((0, 0.95, 0.9))
    curve = measure_hits(protocol, detections, feats)
    with pytest.raises(InputError, match=r"reaches the precision 0.9: the highest is 0.66"):
        curve.choose(precision=0.9)
    with pytest.raises(InputError, match=r"reaches the false positive rate 0.1: the lowest is 0.25"):
        curve.choose(false_positive_rate=0.1)


def test_many_queries_by_loops():
    rng = np.random.default_rng(0)
    images, detections = [], []
    for i in range(12):
        number = int(rng.integers(0, 5))
        lefts = np.arange(number) * 15.0  # neighbors overlap
        images.append(SceneImage(i, BOX + lefts[:, None] * [1, 0, 1, 0], rng.permutation(6)[:number] - 1))
        detections.append(detect(*((left + rng.uniform(-8, 8), rng.uniform(-1, 1), 0.9) for left in lefts)))
    queries = [Query(s.img_id, b, p) for s in images for b, p in zip(s.bboxes, s.person_ids) if p >= 0]
    feats = torch.nn.functional.normalize(torch.tensor(rng.normal(size=(len(queries), 2))))
    found, shown, absent = [], 0, 0
    for query, feat in zip(queries, feats):
        for scene, one in zip(images, detections):
            if scene.img_id == query.img_id:
                continue
            is_there = query.person_id in scene.person_ids
            shown, absent = shown + is_there, absent + (not is_there)
            if not len(one.scores):
                continue
            best = int((one.reid_feats @ feat).argmax())
            right = False
            for box in scene.bboxes[scene.person_ids == query.person_id]:
                x = min(box[2], one.bboxes[best, 2].item()) - max(box[0], one.bboxes[best, 0].item())
                right |= max(x, 0) * 40 / (2 * 800 - max(x, 0) * 40) >= min(0.5, 800 / (30 * 50))
            found.append((float(one.reid_feats[best] @ feat), right, is_there))
    curve = measure_hits(SearchProtocol(images, queries), detections, feats)
    assert len(curve.thresholds) > 100
    for place in range(0, len(curve.thresholds), 7):
        hits = [one for one in found if one[0] >= curve.thresholds[place] - 1e-12]
        right = sum(one[1] for one in hits)
        expected = [len(hits), right / len(hits), right / shown, sum(not one[2] for one in hits) / absent]
        numbers = [curve.hits, curve.precision, curve.recall, curve.false_positive_rate]
        np.testing.assert_allclose([one[place] for one in numbers], expected)


def test_what_cannot_be_measured():
    protocol, detections, feats = example()
    with pytest.raises(InputError, match=r"nobody was detected in 10 pictures with a score of 0\.95 or more"):
        measure_hits(protocol, detections, feats, det_thr=0.95)
    alone = SearchProtocol(protocol.images[6:] + protocol.images[:1], protocol.queries)
    with pytest.raises(InputError, match="no other picture shows the person"):
        measure_hits(alone, detections[6:] + detections[:1], feats)
    everywhere = SearchProtocol(protocol.images[:6], protocol.queries)
    with pytest.raises(InputError, match="no other picture lacks the person"):
        measure_hits(everywhere, detections[:6], feats)
