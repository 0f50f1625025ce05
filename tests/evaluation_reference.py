"""Slow judges of the evaluation, written from its definition, and drawn cases. Plain Python loops on purpose."""

import warnings

import numpy as np
import torch
from mmengine.structures import InstanceData
from sklearn.metrics import average_precision_score

from mmpersonsearch.structures import Query, SceneImage, SearchProtocol


def iou(a, b):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    inter = width * height
    return inter / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter)


def galleries_of(protocol, size=None):
    """For each query its gallery as a list of (image index, true box or None)."""
    result = []
    for i, query in enumerate(protocol.queries):
        if isinstance(protocol.galleries, dict):
            inds, boxes = protocol.galleries[size][i]
            result.append([(int(j), None if np.isnan(b).any() else b) for j, b in zip(inds, boxes)])
            continue
        entries = []
        for j, image in enumerate(protocol.images):
            if image.img_id == query.img_id:
                continue
            if protocol.galleries == "cross_camera" and image.camera_id == query.camera_id:
                continue
            true = [b for b, p in zip(image.bboxes, image.person_ids) if p == query.person_id]
            entries.append((j, true[0] if true else None))
        result.append(entries)
    return result


def kept(detections, det_thr):
    """[(box, embedding as an array), ...] of each image; scores are compared in their own type, as arrays are."""
    return [
        [
            (box.double().tolist(), feat.numpy())
            for box, score, feat in zip(d.bboxes, d.scores, d.reid_feats)
            if score.numpy() >= det_thr
        ]
        for d in detections
    ]


def slow_factors(protocol, detections, query_feats, det_thr, threshold, weight):
    """RCP's S(q, g) as a function of (query, image, similarities), from equations 6 to 8."""
    persons = kept(detections, det_thr)

    def final_similarities(query_ind, image_ind, sims):
        query = protocol.queries[query_ind]
        scene = persons[protocol.image_index[query.img_id]]
        overlaps = [iou(box, query.bbox) for box, _ in scene]
        itself = int(np.argmax(overlaps)) if overlaps and max(overlaps) >= 0.5 else None
        result = []
        for s_i in sims:
            s_c = 0.0
            for i, (_, feat) in enumerate(scene):
                if i == itself:
                    continue
                best = max(float(feat @ g) for _, g in persons[image_ind])
                if best >= threshold:
                    s_c += float(s_i) * best
            result.append(float(s_i) + weight * s_c)
        return np.array(result)

    return final_similarities


def slow_search(protocol, detections, query_feats, det_thr=0.5, topk=(1, 5, 10), size=None, rerank=None):
    """(mAP, {k: share}, aps, evaluated queries) by going through every query and image."""
    persons = kept(detections, det_thr)
    aps, hits, evaluated = [], {k: [] for k in topk}, []
    for q, gallery in enumerate(galleries_of(protocol, size)):
        if not any(true is not None for _, true in gallery):
            continue
        labels, scores = [], []
        num_true = num_found = 0
        for image_ind, true in gallery:
            num_true += true is not None
            if not persons[image_ind]:
                continue
            boxes = [box for box, _ in persons[image_ind]]
            sims = np.array([feat @ query_feats[q].numpy() for _, feat in persons[image_ind]])
            if rerank is not None:
                sims = rerank(q, image_ind, sims)
            label = np.zeros(len(sims), dtype=int)
            if true is not None:
                w, h = true[2] - true[0], true[3] - true[1]
                threshold = min(0.5, w * h / ((w + 10) * (h + 10)))
                order = np.argsort(sims, kind="stable")[::-1]
                sims, boxes = sims[order], [boxes[i] for i in order]
                for j, box in enumerate(boxes):
                    if iou(box, true) >= threshold:
                        label[j] = 1
                        num_found += 1
                        break
            labels.extend(label)
            scores.extend(sims)
        labels, scores = np.array(labels), np.array(scores)
        ap = average_precision_score(labels, scores) * num_found / num_true if num_found else 0.0
        order = np.argsort(scores, kind="stable")[::-1]
        aps.append(ap)
        evaluated.append(q)
        for k in topk:
            hits[k].append(min(1, int(labels[order][:k].sum())) if len(labels) else 0)
    return np.mean(aps), {k: np.mean(v) for k, v in hits.items()}, np.array(aps), evaluated


def slow_detections(gt_bboxes, detections, iou_thr=0.5, det_thr=0.5):
    """(ap, recall) by going through every pair of a true box and a detection."""
    labels, scores = [], []
    num_true = num_found = 0
    for gts, d in zip(gt_bboxes, detections):
        inds = [i for i, s in enumerate(d.scores) if s.numpy() >= det_thr]
        num_true += len(gts)
        table = np.zeros((len(gts), len(inds)))
        for i, gt in enumerate(gts):
            for j, ind in enumerate(inds):
                table[i, j] = iou(np.asarray(gt, dtype=float), d.bboxes[ind].double().tolist())
        match = table >= iou_thr
        for j in range(len(inds)):
            for i in range(len(gts)):
                if i != np.argmax(table[:, j]) or j != np.argmax(table[i]):
                    match[i, j] = False
        for j, ind in enumerate(inds):
            labels.append(bool(match[:, j].any()))
            scores.append(float(d.scores[ind]))
        num_found += match.sum()
    recall = num_found / num_true
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's, where nothing is positive
        ap = average_precision_score(labels, scores) * recall if labels else 0.0
    return float(ap), float(recall)


def draw_case(
    seed,
    num_images=12,
    num_persons=6,
    num_queries=9,
    width=4,
    levels=None,
    galleries="all",
    cameras=3,
    dtype=torch.float32,
):
    """A protocol, detections and query embeddings; ``levels`` quantises embeddings so that similarities tie.

    Some images have no detection or no person, one person may be listed twice in an image, some queries share a scene.
    """
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(num_persons, width))

    def embed(person):
        feat = (centres[person] if person >= 0 else rng.normal(size=width)) + 0.7 * rng.normal(size=width)
        feat /= np.linalg.norm(feat)
        return np.round(feat * levels) / levels if levels else feat

    def draw_box(small):
        side = rng.integers(4, 14, 2) if small else rng.integers(20, 90, 2)
        corner = rng.integers(0, 200, 2)
        return np.concatenate([corner, corner + side]).astype(float)

    images, detections = [], []
    for i in range(num_images):
        num = rng.integers(0, 6)
        person_ids = rng.integers(-1, num_persons, num)
        bboxes = np.array([draw_box(rng.random() < 0.3) for _ in range(num)]).reshape(-1, 4)
        images.append(SceneImage(f"im{i}", bboxes, person_ids, camera_id=int(rng.integers(cameras))))
        found, feats = [], []
        for box, person in zip(bboxes, person_ids):
            for _ in range(rng.integers(0, 3)):  # missed, found, found twice
                found.append(box + np.round(rng.normal(size=4) * rng.choice([0, 2, 8])))
                feats.append(embed(person))
        for _ in range(rng.integers(0, 3)):
            found.append(draw_box(False))
            feats.append(embed(-1))
        if rng.random() < 0.15:
            found, feats = [], []
        found = np.array(found).reshape(-1, 4)
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
        order = rng.permutation(len(found))
        detections.append(
            InstanceData(
                bboxes=torch.tensor(found[order], dtype=torch.float32),
                scores=torch.tensor(np.round(rng.uniform(0.3, 1, len(found)), 1), dtype=torch.float32),
                reid_feats=torch.tensor(np.array(feats).reshape(-1, width)[order], dtype=dtype),
            )
        )
    spots = [(i, p) for i, image in enumerate(images) for p in range(len(image.person_ids)) if image.person_ids[p] >= 0]
    queries, query_feats = [], []
    for spot in rng.choice(len(spots), num_queries):
        i, p = spots[spot]
        image = images[i]
        person = int(image.person_ids[p])
        queries.append(Query(image.img_id, image.bboxes[p], person, image.camera_id))
        query_feats.append(embed(person))
    if isinstance(galleries, tuple):
        galleries = {size: [draw_gallery(rng, images, q, size) for q in queries] for size in galleries}
    protocol = SearchProtocol(images, queries, galleries)
    return protocol, detections, torch.tensor(np.array(query_feats), dtype=dtype)


def draw_gallery(rng, images, query, size):
    """A list of images for one query, NaN where its person is not."""
    others = [i for i, image in enumerate(images) if image.img_id != query.img_id]
    inds = rng.permutation(others)[: rng.integers(max(1, size - 2), size + 1)]
    boxes = np.full((len(inds), 4), np.nan)
    for row, i in enumerate(inds):
        true = images[i].bboxes[images[i].person_ids == query.person_id]
        if len(true):
            boxes[row] = true[0]
    return inds, boxes


def judge_or_none(protocol, detections, query_feats, **kwargs):
    """``slow_search``, or None where no query can be evaluated."""
    size = kwargs.get("size")
    held = [any(true is not None for _, true in g) for g in galleries_of(protocol, size)]
    return slow_search(protocol, detections, query_feats, **kwargs) if any(held) else None
