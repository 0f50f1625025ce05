"""Pairs of a query and an image that shows its person, with the detections that may be true positives."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .ragged import blocks_by_total, least_iou, offsets_of, paired_iou, ragged_ranges
from .search_index import SearchIndex

# Detections compared with a true box at a time: about 200 bytes each.
_MAX_COMPARISONS = 2_000_000


@dataclass
class TruePairs:
    """All (query, gallery image that shows the query's person), sorted by query.

    Attributes:
        offsets: (Q + 1,) int64; query q has the pairs ``offsets[q] ... offsets[q + 1] - 1``.
        image_inds: (T,) int64 image of each pair.
        bboxes: (T, 4) float64 the person's box in it, xyxy in pixels.
        starts: (T,) int64 the image's first detection.
        lengths: (T,) int64 number of the image's detections.
        columns: (T,) int64 column at which the image's detections begin in the query's list of similarities.
        candidates: (C,) int64 detections that overlap the pair's true box enough, sorted by pair.
        candidate_offsets: (T + 1,) int64; pair t has the candidates ``[offsets[t], offsets[t + 1])``.
    """

    offsets: Tensor
    image_inds: Tensor
    bboxes: Tensor
    starts: Tensor
    lengths: Tensor
    columns: Tensor
    candidates: Tensor
    candidate_offsets: Tensor

    @property
    def counts(self) -> Tensor:
        """(Q,) number of gallery images that show the query's person."""
        return self.offsets.diff()


def make_true_pairs(
    index: SearchIndex, query_inds: Tensor, image_inds: Tensor, bboxes: Tensor, columns: Tensor
) -> TruePairs:
    """Find the candidates of (T,) pairs, sorted by query; see :class:`TruePairs` for the arguments."""
    starts, lengths = index.offsets[image_inds], index.counts[image_inds]
    return TruePairs(
        offsets_of(query_inds, len(index.query_feats)),
        image_inds,
        bboxes,
        starts,
        lengths,
        columns,
        *find_candidates(index.bboxes, starts, lengths, bboxes),
    )


def find_candidates(found: Tensor, starts: Tensor, lengths: Tensor, bboxes: Tensor) -> tuple[Tensor, Tensor]:
    """Find the candidates of each pair: the detections that reach the IoU threshold of the true box's size.

    Args:
        found: (N, 4) boxes of all detections.
        starts: (T,) int64 first detection of each pair's image.
        lengths: (T,) int64 number of the image's detections.
        bboxes: (T, 4) float64 true boxes.

    Returns:
        (C,) ``candidates`` and (T + 1,) ``candidate_offsets`` of :class:`TruePairs`.
    """
    thresholds = least_iou(bboxes)
    candidates, owners = [starts[:0]], [starts[:0]]
    for block in blocks_by_total(lengths.cpu().numpy(), _MAX_COMPARISONS):
        dets, pairs = ragged_ranges(starts[block], lengths[block])
        pairs += block.start
        overlapping = paired_iou(found[dets], bboxes[pairs]) >= thresholds[pairs]
        candidates.append(dets[overlapping])
        owners.append(pairs[overlapping])
    return torch.cat(candidates), offsets_of(torch.cat(owners), len(bboxes))
