"""Reference evaluation: the definition in Python loops over queries, images and detections, as in public code."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from mmengine.structures import InstanceData
from sklearn.metrics import average_precision_score
from torch import Tensor

from mmpersonsearch.structures import CrossCamera, Listed, SearchProtocol

# New similarities of an image's detections, from the query, the image and the similarities.
Rerank = Callable[[int, int, np.ndarray], np.ndarray]


def iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes, xyxy."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    inter = width * height
    return inter / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter)


def galleries_of(
    protocol: SearchProtocol, size: int | None = None, query_inds: Sequence[int] | None = None
) -> list[list[tuple[int, np.ndarray | None]]]:
    """List the gallery of each query (by default of all): (image, true box or None) of each of its images."""
    query_inds = range(len(protocol.queries)) if query_inds is None else query_inds
    return [_gallery_of(protocol, size, i) for i in query_inds]


def _gallery_of(protocol: SearchProtocol, size: int | None, query_ind: int) -> list[tuple[int, np.ndarray | None]]:
    query = protocol.queries[query_ind]
    if isinstance(protocol.galleries, Listed):
        listed = protocol.galleries.lists[size][query_ind]
        boxes = dict(zip(listed.present.tolist(), listed.bboxes))
        return [(int(j), boxes.get(place)) for place, j in enumerate(listed.image_inds)]
    entries = []
    for j, image in enumerate(protocol.images):
        same_camera = isinstance(protocol.galleries, CrossCamera) and image.camera_id == query.camera_id
        if image.img_id != query.img_id and not same_camera:
            entries.append((j, next(iter(image.bboxes[image.person_ids == query.person_id]), None)))
    return entries


def kept(detections: Sequence[InstanceData], det_thr: float = 0.5) -> list[tuple[list[list[float]], np.ndarray]]:
    """List the boxes of each image and their (n, D) embeddings, of the detections with score >= det_thr."""
    images = []
    for found in detections:
        inside = found.scores.cpu().numpy() >= det_thr  # compared in the scores' own type
        boxes = found.bboxes.double().cpu().numpy()[inside].tolist()
        images.append((boxes, found.reid_feats.cpu().numpy()[inside] if len(inside) else np.zeros((0, 1))))
    return images


def slow_search(
    protocol: SearchProtocol,
    detections: Sequence[InstanceData],
    query_feats: Tensor,
    det_thr: float = 0.5,
    topk: Sequence[int] = (1, 5, 10),
    size: int | None = None,
    rerank: Rerank | None = None,
    query_inds: Sequence[int] | None = None,
) -> tuple[float, dict[int, float], np.ndarray, list[int]] | None:
    """Evaluate the search; see :func:`mmpersonsearch.evaluation.evaluate_search` for protocol and arguments.

    ``size`` is that of the gallery, ``rerank`` changes the similarities of an image's detections, and only the queries
    ``query_inds`` are evaluated, by default all.

    Returns:
        mAP, ``{k: fraction}``, average precisions and the queries that they are of; None where no query's gallery
        holds its person.
    """
    persons = kept(detections, det_thr)
    query_inds = range(len(protocol.queries)) if query_inds is None else query_inds
    aps, hits, evaluated = [], [], []
    for query_ind, gallery in zip(query_inds, galleries_of(protocol, size, query_inds)):
        num_true = sum(true is not None for _, true in gallery)
        if num_true == 0:
            continue
        query_feat = query_feats[query_ind].cpu().numpy()
        labels, scores = [], []
        for image_ind, true in gallery:
            boxes, feats = persons[image_ind]
            if not boxes:
                continue
            sims = feats @ query_feat
            if rerank is not None:
                sims = rerank(query_ind, image_ind, sims)
            label = np.zeros(len(sims), dtype=int)
            if true is not None:
                order = np.argsort(sims, kind="stable")[::-1]
                sims = sims[order]
                first = _first_match([boxes[i] for i in order], true)
                label[first : first + 1] = 1
            labels.extend(label)
            scores.extend(sims)
        labels, scores = np.array(labels, dtype=int), np.array(scores)
        num_found = int(labels.sum())
        aps.append(average_precision_score(labels, scores) * num_found / num_true if num_found else 0.0)
        ordered = labels[np.argsort(scores, kind="stable")[::-1]]
        hits.append([bool(ordered[:k].any()) for k in topk])
        evaluated.append(int(query_ind))
    if not evaluated:
        return None
    return np.mean(aps), dict(zip(topk, np.mean(hits, axis=0))), np.array(aps), evaluated


def _first_match(boxes: list[list[float]], true: np.ndarray) -> int:
    """Place of the first box that overlaps the true one enough; the number of boxes where none does."""
    w, h = true[2] - true[0], true[3] - true[1]
    threshold = min(0.5, w * h / ((w + 10) * (h + 10)))
    return next((i for i, box in enumerate(boxes) if iou(box, true) >= threshold), len(boxes))
