"""Average precision and recall of the detections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.utils.errors import InputError

from .index.ignored import lie_in_regions
from .index.ragged import blocks_by_total, paired_iou, precisions_at, ragged_ranges, segment_first_argmax

# Pairs of a true box and a detection compared at a time: about 200 bytes each.
_MAX_COMPARISONS = 2_000_000


@dataclass
class DetectionResult:
    """Metrics of the detections.

    Attributes:
        ap: Average precision times recall, in [0, 1].
        recall: Fraction of the true boxes that were matched, in [0, 1].
        num_persons: Number of true boxes.
        num_detections: Number of detections with score >= det_thr that count.
    """

    ap: float
    recall: float
    num_persons: int
    num_detections: int


def evaluate_detections(
    gt_bboxes: Sequence[Tensor | np.ndarray],
    detections: Sequence[InstanceData],
    iou_thr: float = 0.5,
    det_thr: float = 0.5,
    ignored_bboxes: Sequence[Tensor | np.ndarray] | None = None,
) -> DetectionResult:
    """Evaluate detections by the public person-search protocol.

    A detection and a true box match if each is the one that the other overlaps most and their IoU is at least
    ``iou_thr``. AP is scikit-learn's average precision of (matched, score) over all detections, times the recall.

    Args:
        gt_bboxes: One per image: (m, 4) true boxes, xyxy; m may be 0.
        detections: One per image, with ``bboxes`` (n, 4) xyxy and ``scores`` (n,); n may be 0.
        iou_thr: Least IoU of a match.
        det_thr: Detections with a lower score are skipped.
        ignored_bboxes: One per image: (k, 4) regions, xyxy. An unmatched detection of which at least half lies in one
            of them is skipped, too, as COCO's evaluation does.

    Returns:
        The metrics; zeros without detections.

    Raises:
        InputError: Different numbers of images, no true box at all, malformed or non-finite boxes or scores.
    """
    scores, matched, num_persons = match_detections(gt_bboxes, detections, iou_thr, det_thr, ignored_bboxes)
    recall = int(matched.sum()) / num_persons
    ap = 0.0
    if matched.any():
        ordered, positives = scores.sort()[0], scores[matched].sort()[0]
        ap = float(precisions_at(ordered[None], positives[None]).mean()) * recall
    return DetectionResult(ap, recall, num_persons, num_detections=len(matched))


def match_detections(
    gt_bboxes: Sequence[Tensor | np.ndarray],
    detections: Sequence[InstanceData],
    iou_thr: float,
    det_thr: float,
    ignored_bboxes: Sequence[Tensor | np.ndarray] | None = None,
) -> tuple[Tensor, Tensor, int]:
    """Match detections of score >= det_thr to true boxes; see :func:`evaluate_detections` for arguments and errors.

    Returns:
        (N,) scores of the detections that count, (N,) bool, whether each is matched, and the number of true boxes.
    """
    if len(gt_bboxes) != len(detections):
        raise InputError(f"gt_bboxes has {len(gt_bboxes)} images but detections has {len(detections)}")
    truths, num_truths = _flat_boxes(gt_bboxes, "gt_bboxes")
    if len(truths) == 0:
        raise InputError(f"gt_bboxes: no box in any of the {len(gt_bboxes)} images")
    boxes, num_boxes = _flat_boxes([d.bboxes for d in detections], "detections: bboxes")
    scores = torch.cat([torch.zeros(0), *(d.scores.detach().cpu().reshape(-1) for d in detections)])
    if len(scores) != len(boxes):
        raise InputError(f"detections: {len(boxes)} bboxes but {len(scores)} scores")
    image_inds = torch.repeat_interleave(num_boxes)
    if not torch.isfinite(scores).all():
        raise InputError(f"detections: score not finite in image {int(image_inds[~torch.isfinite(scores)][0])}")

    keep = scores >= det_thr
    scores, boxes, image_inds = scores[keep], boxes[keep], image_inds[keep]
    num_boxes = torch.bincount(image_inds, minlength=len(detections))
    matched = _match(truths, num_truths, boxes, num_boxes, iou_thr)
    if ignored_bboxes is not None:
        if len(ignored_bboxes) != len(detections):
            raise InputError(f"ignored_bboxes has {len(ignored_bboxes)} images but detections has {len(detections)}")
        counted = matched | ~lie_in_regions(boxes, image_inds, ignored_bboxes)
        scores, matched = scores[counted], matched[counted]
    return scores, matched, len(truths)


def _flat_boxes(boxes: Sequence[Tensor | np.ndarray], name: str) -> tuple[Tensor, Tensor]:
    boxes = [torch.as_tensor(b).detach().cpu() for b in boxes]
    for i, b in enumerate(boxes):
        if b.numel() and (b.ndim != 2 or b.shape[1] != 4):
            raise InputError(f"{name} of image {i}: expected shape (n, 4), got {tuple(b.shape)}")
    flat = torch.cat([torch.zeros(0, 4, dtype=torch.float64), *(b.double().reshape(-1, 4) for b in boxes)])
    counts = torch.tensor([b.numel() // 4 for b in boxes], dtype=torch.int64)
    bad = torch.nonzero(~torch.isfinite(flat).all(1)).flatten()
    if len(bad):
        raise InputError(f"{name} of image {int(torch.repeat_interleave(counts)[bad[0]])}: not finite")
    return flat, counts


def _match(truths: Tensor, num_truths: Tensor, boxes: Tensor, num_boxes: Tensor, iou_thr: float) -> Tensor:
    """(N,) whether each detection is matched; boxes lie image after image."""
    truth_starts = num_truths.cumsum(0) - num_truths
    box_starts = num_boxes.cumsum(0) - num_boxes
    matched = torch.zeros(len(boxes), dtype=torch.bool)
    for images in blocks_by_total((num_truths * num_boxes).numpy(), _MAX_COMPARISONS):
        truth_inds, image_inds = ragged_ranges(truth_starts[images], num_truths[images])
        box_inds, rows = ragged_ranges(box_starts[images][image_inds], num_boxes[images][image_inds])
        if len(rows) == 0:
            continue
        # All pairs of a true box and a detection of one image, true box after true box.
        columns = box_inds - box_inds.min()
        overlaps = paired_iou(truths[truth_inds[rows]], boxes[box_inds])
        best_of_truth = segment_first_argmax(overlaps, rows, len(truth_inds))
        best_of_box = segment_first_argmax(overlaps, columns, int(columns.max()) + 1)
        places = torch.arange(len(rows))
        mutual = (best_of_truth[rows] == places) & (best_of_box[columns] == places)
        matched[box_inds[mutual & (overlaps >= iou_thr)]] = True
    return matched
