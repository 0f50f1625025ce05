"""Detections in regions to ignore, which are neither true nor false positives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mmpersonsearch.structures import SceneImage

from .ragged import least_iou, offsets_of, paired_iou, ragged_ranges

_SHARE = 0.5


def lie_in_regions(bboxes: Tensor, image_inds: Tensor, regions: Sequence[Tensor | np.ndarray]) -> Tensor:
    """Tell which detections have at least half of their area in one region of their image, as in COCO's evaluation.

    Args:
        bboxes: (N, 4) float64 xyxy, image after image.
        image_inds: (N,) int64 image of each, ascending.
        regions: Per image (m, 4) xyxy; m may be 0.

    Returns:
        (N,) bool.
    """
    inside = torch.zeros(len(bboxes), dtype=torch.bool, device=bboxes.device)
    if not any(map(len, regions)):
        return inside
    offsets = offsets_of(image_inds, len(regions)).tolist()
    for start, end, own in zip(offsets, offsets[1:], regions):
        if len(own) and start < end:
            boxes, own = bboxes[start:end, None], torch.as_tensor(own).to(bboxes)
            sides = torch.minimum(boxes[..., 2:], own[:, 2:]) - torch.maximum(boxes[..., :2], own[:, :2])
            areas = (boxes[..., 2:] - boxes[..., :2]).prod(-1)
            inside[start:end] = ((sides.clamp_min(0).prod(-1) >= _SHARE * areas) & (areas > 0)).any(1)
    return inside


def ignored_in_search(bboxes: Tensor, image_inds: Tensor, images: Sequence[SceneImage]) -> Tensor:
    """Tell which detections the search skips: those of :func:`lie_in_regions` that can be on no annotated person.

    A detection can be on a person at the IoU of a true positive, :func:`least_iou`.
    """
    inside = lie_in_regions(bboxes, image_inds, [image.ignored_bboxes for image in images])
    found = torch.nonzero(inside).flatten()
    if not len(found):
        return inside
    counts = torch.tensor([len(image.bboxes) for image in images], device=bboxes.device)
    truths = torch.from_numpy(np.concatenate([image.bboxes for image in images])).to(bboxes)
    owners = image_inds[found]
    # All pairs of such a detection and an annotated person of its image.
    persons, rows = ragged_ranges((counts.cumsum(0) - counts)[owners], counts[owners])
    found, truths = found[rows], truths[persons]
    inside[found[paired_iou(bboxes[found], truths) >= least_iou(truths)]] = False
    return inside
