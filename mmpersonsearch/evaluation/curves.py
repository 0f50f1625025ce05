"""Precision-recall curves of search and of detection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.structures import SearchProtocol

from .detection import match_detections
from .index.gallery import build_gallery
from .index.search_index import build_search_index
from .match import match_precisions
from .rankings.base import BaseRanking, QueryChunk
from .search import iterate_chunks, report_skipped

_NUM_STEPS = 100


@dataclass
class SearchCurve:
    """Precision against recall of the search.

    A query's curve is a step function: if T gallery images show its person, the precision at its m-th best true
    positive holds on the recalls ((m - 1) / T, m / T]; it is 0 where there are fewer. Its area is the average precision
    of :func:`evaluate_search`. Nothing is interpolated, so it may rise and fall.

    Attributes:
        recalls: (101,) float64 0, 0.01, ..., 1.
        precisions: (101,) float64 mean over the queries of their curves at these recalls; at 0 the first step's.
        match_precisions: (num_queries, M) float64 precision at each true positive, best first, padded with zeros.
        num_holding: (num_queries,) int64 T of each query.
        query_inds, gallery, ranking: As in :class:`SearchResult`.
    """

    recalls: np.ndarray = field(repr=False)
    precisions: np.ndarray = field(repr=False)
    match_precisions: np.ndarray = field(repr=False)
    num_holding: np.ndarray = field(repr=False)
    query_inds: np.ndarray = field(repr=False)
    gallery: str | int
    ranking: str | None = None

    @property
    def aps(self) -> np.ndarray:
        """(num_queries,) average precision of each query: the area under its curve."""
        return self.match_precisions.sum(1) / self.num_holding

    @property
    def mAP(self) -> float:
        """Area under the mean of the queries' curves."""
        return float(self.aps.mean())


@dataclass
class DetectionCurve:
    """Precision against recall of the detections, one step per distinct score, the highest first.

    ``precisions[i]`` holds on the recalls (recalls[i - 1], recalls[i]]; the area of these steps is the average
    precision of :func:`evaluate_detections`.

    Attributes:
        recalls: (K,) float64 fraction of the true boxes that are matched by detections of at least this score.
        precisions: (K,) float64 fraction of these detections that are matched.
        scores: (K,) the scores.
    """

    recalls: np.ndarray = field(repr=False)
    precisions: np.ndarray = field(repr=False)
    scores: np.ndarray = field(repr=False)

    @property
    def ap(self) -> float:
        """Area under the curve; 0 without detections."""
        return float((np.diff(self.recalls, prepend=0) * self.precisions).sum())


def search_curve(
    protocol: SearchProtocol,
    detections: Sequence[InstanceData],
    query_feats: Tensor,
    det_thr: float = 0.5,
    ranking: BaseRanking | None = None,
    gallery: int | None = None,
) -> SearchCurve:
    """Compute the precision-recall curve behind the mAP of :func:`evaluate_search`; see there for the arguments."""
    index = build_search_index(protocol, detections, query_feats, det_thr)
    searched = build_gallery(protocol, index, gallery)
    held = searched.pairs.counts > 0
    report_skipped([searched], held[None], stacklevel=3)
    query_inds = torch.nonzero(held).flatten()
    num_holding = searched.pairs.counts[query_inds]
    precisions = torch.zeros(len(held), int(num_holding.max()), dtype=torch.float64, device=held.device)
    for inds, sims in iterate_chunks(index, [searched], query_inds):
        ranked = sims if ranking is None else ranking.rank(QueryChunk(index, inds, sims, searched))
        rows = _best_first(match_precisions(searched, ranked, inds))
        precisions[inds, : rows.shape[1]] = rows
    precisions = precisions[query_inds]
    # The step at each recall is ceil(recall * T), in integers: 0.07 * 100 is more than 7 in floating point.
    levels = torch.arange(_NUM_STEPS + 1, device=held.device)
    steps = (levels * num_holding[:, None] + _NUM_STEPS - 1) // _NUM_STEPS
    return SearchCurve(
        recalls=np.arange(_NUM_STEPS + 1) / _NUM_STEPS,
        precisions=precisions.gather(1, steps.clamp_min(1) - 1).mean(0).cpu().numpy(),
        match_precisions=precisions.cpu().numpy(),
        num_holding=num_holding.cpu().numpy(),
        query_inds=query_inds.cpu().numpy(),
        gallery=searched.name,
        ranking=None if ranking is None else ranking.name,
    )


def detection_curve(
    gt_bboxes: Sequence[Tensor | np.ndarray],
    detections: Sequence[InstanceData],
    iou_thr: float = 0.5,
    det_thr: float = 0.5,
    ignored_bboxes: Sequence[Tensor | np.ndarray] | None = None,
) -> DetectionCurve:
    """Compute the precision-recall curve behind the AP of :func:`evaluate_detections`; see there for the arguments.

    A curve of all detections needs ``det_thr`` 0; without detections it has no steps.
    """
    scores, matched, num_persons = match_detections(gt_bboxes, detections, iou_thr, det_thr, ignored_bboxes)
    scores, order = scores.sort(descending=True)
    is_last = torch.ones(len(scores), dtype=torch.bool)
    is_last[:-1] = scores[1:] != scores[:-1]
    retrieved = torch.nonzero(is_last).flatten() + 1
    found = matched[order].double().cumsum(0)[is_last]
    return DetectionCurve(
        recalls=(found / num_persons).numpy(),
        precisions=(found / retrieved).numpy(),
        scores=scores[is_last].numpy(),
    )


def _best_first(precisions: Tensor) -> Tensor:
    """Reverse the true positives of each row; the zeros stay behind them."""
    num_matches = (precisions > 0).sum(1, keepdim=True)  # at a true positive the precision is not 0
    places = num_matches - 1 - torch.arange(precisions.shape[1], device=precisions.device)
    return precisions.gather(1, places.clamp_min(0)).masked_fill_(places < 0, 0)
