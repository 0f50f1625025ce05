"""Operations on lists of different lengths that are concatenated in one tensor; IoU of pairs, precisions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor


def ragged_ranges(starts: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Concatenate the ranges ``starts[i] ... starts[i] + lengths[i] - 1``, lengths >= 0.

    Returns:
        (sum of lengths,) int64 the numbers, and (sum of lengths,) int64 the range that each belongs to.
    """
    owners = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)
    shift = starts - (lengths.cumsum(0) - lengths)
    return torch.arange(len(owners), device=owners.device) + shift[owners], owners


def offsets_of(owners: Tensor, num_segments: int) -> Tensor:
    """Return (num_segments + 1,) int64 at which each segment begins and the last one ends; owners ascend."""
    counts = torch.bincount(owners, minlength=num_segments)
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def places_in_segments(owners: Tensor, num_segments: int) -> tuple[Tensor, Tensor]:
    """Return (n,) int64 place of each value in its segment, and (num_segments,) int64 lengths; owners ascend."""
    offsets = offsets_of(owners, num_segments)
    return torch.arange(len(owners), device=owners.device) - offsets[owners], offsets.diff()


def blocks_by_total(lengths: np.ndarray, limit: int) -> Iterator[slice]:
    """Split lists into blocks whose lengths add up to at most ``limit``; a longer list is a block of its own."""
    ends = np.cumsum(lengths)
    start = 0
    while start < len(ends):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + limit, side="right")))
        yield slice(start, stop)
        start = stop


def segment_last_argmax(values: Tensor, owners: Tensor, num_segments: int) -> Tensor:
    """Find the largest of each segment's (n,) values, which are not NaN, the last of equal ones.

    Returns:
        (num_segments,) int64 position in ``values``; -1 for a segment without values.
    """
    best = values.new_full((num_segments,), -torch.inf).scatter_reduce_(0, owners, values, "amax")
    places = torch.arange(len(values), device=values.device).masked_fill_(values != best[owners], -1)
    return places.new_full((num_segments,), -1).scatter_reduce_(0, owners, places, "amax")


def segment_first_argmax(values: Tensor, owners: Tensor, num_segments: int) -> Tensor:
    """:func:`segment_last_argmax`, but the first of equal values."""
    last = segment_last_argmax(values.flip(0), owners.flip(0), num_segments)
    return torch.where(last < 0, last, len(values) - 1 - last)


def paired_iou(bboxes1: Tensor, bboxes2: Tensor) -> Tensor:
    """Compute the IoU of box i of one (n, 4) list with box i of the other, xyxy.

    Returns:
        (n,) float64 in [0, 1]; areas are (x2 - x1) * (y2 - y1), without a pixel added.
    """
    bboxes1, bboxes2 = bboxes1.double(), bboxes2.double()
    sides = torch.minimum(bboxes1[:, 2:], bboxes2[:, 2:]) - torch.maximum(bboxes1[:, :2], bboxes2[:, :2])
    inter = sides.clamp_min_(0).prod(1)
    area1 = (bboxes1[:, 2:] - bboxes1[:, :2]).prod(1)
    area2 = (bboxes2[:, 2:] - bboxes2[:, :2]).prod(1)
    return inter / (area1 + area2 - inter)


def least_iou(bboxes: Tensor) -> Tensor:
    """Compute (n,) the least IoU of a true positive of the search with each (n, 4) true box, xyxy in pixels."""
    sides = bboxes[:, 2:] - bboxes[:, :2]
    return (sides.prod(1) / (sides + 10).prod(1)).clamp_max(0.5)


def precisions_at(ordered: Tensor, positives: Tensor) -> Tensor:
    """Compute the precision at each true positive; equal values are one step, as in scikit-learn.

    Args:
        ordered: (R, N) values of all detections, ascending.
        positives: (R, M) values of the true positives among them, ascending, padded with inf.

    Returns:
        (R, M) float64, 0 at the padding.
    """
    retrieved = ordered.shape[1] - torch.searchsorted(ordered, positives)
    num_true = torch.isfinite(positives).sum(1, keepdim=True)
    found = num_true - torch.searchsorted(positives, positives)
    return (found.double() / retrieved).masked_fill_(torch.isinf(positives), 0)
