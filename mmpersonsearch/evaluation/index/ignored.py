"""Detections in regions to ignore, which are neither true nor false positives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mmpersonsearch.structures import SceneImage

from .ragged import least_iou, paired_iou, ragged_ranges

_SHARE = 0.5


def lie_in_regions(bboxes: Tensor, image_inds: Tensor, regions: Sequence[Tensor | np.ndarray]) -> Tensor:
    """Tell which detections have at least half of their area in one region of their image, as in COCO's evaluation.

    Args:
        bboxes: (N, 4) float64 xyxy.
        image_inds: (N,) int64 image of each.
        regions: Per image (m, 4) xyxy; m may be 0.

    Returns:
        (N,) bool.
    """
    inside = torch.zeros(len(bboxes), dtype=torch.bool, device=bboxes.device)
    if not any(map(len, regions)):
        return inside
    rows, own = _pairs_in_images(image_inds, regions, bboxes)
    boxes = bboxes[rows]
    sides = torch.minimum(boxes[:, 2:], own[:, 2:]) - torch.maximum(boxes[:, :2], own[:, :2])
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    inside[rows[(sides.clamp_min(0).prod(1) >= _SHARE * areas) & (areas > 0)]] = True
    return inside


def ignored_in_search(bboxes: Tensor, image_inds: Tensor, images: Sequence[SceneImage]) -> Tensor:
    """Tell which detections the search skips: those of :func:`lie_in_regions` that can be on no annotated person.

    A detection can be on a person at the IoU of a true positive, :func:`least_iou`.
    """
    inside = lie_in_regions(bboxes, image_inds, [image.ignored_bboxes for image in images])
    found = torch.nonzero(inside).flatten()
    if not len(found):
        return inside
    rows, truths = _pairs_in_images(image_inds[found], [image.bboxes for image in images], bboxes)
    found = found[rows]
    inside[found[paired_iou(bboxes[found], truths) >= least_iou(truths)]] = False
    return inside


def _pairs_in_images(image_inds: Tensor, boxes: Sequence[Tensor | np.ndarray], like: Tensor) -> tuple[Tensor, Tensor]:
    """Pair each of n detections, in these images, with all of its image's boxes: (P,) detections and (P, 4) boxes."""
    counts = torch.tensor([len(own) for own in boxes], device=image_inds.device)
    flat = torch.cat([torch.as_tensor(own).to(like).reshape(-1, 4) for own in boxes])
    inds, rows = ragged_ranges((counts.cumsum(0) - counts)[image_inds], counts[image_inds])
    return rows, flat[inds]
