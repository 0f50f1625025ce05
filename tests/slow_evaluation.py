"""RCP and the metrics of detection from their definitions, in Python loops; see ``mmpersonsearch.testing``."""

import warnings
from collections.abc import Sequence

import numpy as np
from mmengine.structures import InstanceData
from sklearn.metrics import average_precision_score
from torch import Tensor

from mmpersonsearch.structures import SearchProtocol
from mmpersonsearch.testing import Rerank, iou, kept


def slow_rcp(
    protocol: SearchProtocol,
    detections: Sequence[InstanceData],
    query_feats: Tensor,
    det_thr: float,
    threshold: float,
    weight: float,
) -> Rerank:
    """Give RCP's S(q, g), equations 6 to 8 of the TDN paper, as ``rerank`` of :func:`slow_search`."""
    persons = kept(detections, det_thr)

    def final_similarities(query_ind: int, image_ind: int, sims: np.ndarray) -> np.ndarray:
        query = protocol.queries[query_ind]
        boxes, feats = persons[protocol.image_index[query.img_id]]
        overlaps = [iou(box, query.bbox) for box in boxes]
        itself = int(np.argmax(overlaps)) if overlaps and max(overlaps) >= 0.5 else None
        context = [feat for i, feat in enumerate(feats) if i != itself]
        result = []
        for s_i in sims:
            s_c = 0.0
            for feat in context:
                best = max(float(feat @ g) for g in persons[image_ind][1])
                if best >= threshold:
                    s_c += float(s_i) * best
            result.append(float(s_i) + weight * s_c)
        return np.array(result)

    return final_similarities


def slow_detections(
    gt_bboxes: Sequence[np.ndarray],
    detections: Sequence[InstanceData],
    iou_thr: float = 0.5,
    det_thr: float = 0.5,
) -> tuple[float, float]:
    """Compute AP and recall; see :func:`mmpersonsearch.evaluation.evaluate_detections` for the arguments."""
    labels, scores = [], []
    num_true = num_found = 0
    for gts, found in zip(gt_bboxes, detections):
        inds = [i for i, score in enumerate(found.scores) if score.numpy() >= det_thr]
        num_true += len(gts)
        table = np.zeros((len(gts), len(inds)))
        for i, j in np.ndindex(table.shape):
            table[i, j] = iou(np.asarray(gts[i], dtype=float), found.bboxes[inds[j]].double().tolist())
        match = table >= iou_thr
        for i, j in np.ndindex(table.shape):
            match[i, j] &= i == np.argmax(table[:, j]) and j == np.argmax(table[i])
        labels.extend(match.any(0))
        scores.extend(float(found.scores[ind]) for ind in inds)
        num_found += match.sum()
    recall = num_found / num_true
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's, where nothing is positive
        ap = average_precision_score(labels, scores) * recall if labels else 0.0
    return float(ap), float(recall)
