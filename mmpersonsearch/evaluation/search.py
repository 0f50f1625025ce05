"""Evaluation of person search: mean average precision and top-k."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.structures import SearchProtocol
from mmpersonsearch.utils.errors import InputError

from .index.gallery import Gallery, build_gallery
from .index.search_index import SearchIndex, build_search_index
from .match import aps_and_ranks
from .rankings.base import BaseRanking, QueryChunk

# Similarities held at a time: about 40 bytes each with their copies.
_MAX_SIMILARITIES = 4_000_000


@dataclass
class SearchResult:
    """Metrics of the search in one gallery by one ranking.

    Attributes:
        mAP: Mean of the average precisions, in [0, 1].
        topk: ``{k: fraction of queries with a true positive among the k most similar}``, in [0, 1].
        aps: (num_queries,) float64 average precision of each evaluated query.
        query_inds: (num_queries,) int64 the evaluated queries.
        num_skipped: Number of skipped queries, whose gallery does not show their person.
        gallery: ``'all'``, ``'cross_camera'`` or the size; the protocol of Re-ID.
        ranking: Name of the ranking; None for plain similarity.
    """

    mAP: float
    topk: dict[int, float]
    aps: np.ndarray = field(repr=False)
    query_inds: np.ndarray = field(repr=False)
    num_skipped: int
    gallery: str | int
    ranking: str | None = None

    @property
    def num_queries(self) -> int:
        """Number of evaluated queries."""
        return len(self.query_inds)

    def ap_by_query(self) -> dict[int, float]:
        """Average precision of each evaluated query."""
        return dict(zip(self.query_inds.tolist(), self.aps.tolist()))


def evaluate_search(
    protocol: SearchProtocol,
    detections: Sequence[InstanceData],
    query_feats: Tensor,
    det_thr: float = 0.5,
    topk: Sequence[int] = (1, 5, 10),
    ranking: BaseRanking | None = None,
    gallery: int | None = None,
) -> SearchResult:
    """Evaluate person search by the public protocol (Xiao et al., CVPR 2017, and the code that follows it).

    In each image of a query's gallery detections are visited in order of decreasing similarity; the first with
    IoU >= min(0.5, w * h / ((w + 10) * (h + 10))) with the true box (w x h) is the image's one true positive. A
    query's average precision (scikit-learn's, equal similarities included) is multiplied by its recall, the fraction
    of the images that show the person with a true positive. Among equal similarities top-k takes the one that the
    public code's sorting puts first: the later one of its list.

    A detection with at least half of its area in one of an image's ``ignored_bboxes`` is skipped, so that it is neither
    a true nor a false positive, unless it reaches the IoU of a true positive with an annotated person. Such
    regions are of own data; PRW and CUHK-SYSU have none.

    Args:
        protocol: Test images, queries and galleries.
        detections: One per image, in the protocol's order, with ``bboxes`` (n, 4) xyxy in pixels of the original image,
            ``scores`` (n,) and ``reid_feats`` (n, D); n may be 0.
        query_feats: (Q, D) embeddings of the queries. The search runs on their device.
        det_thr: Detections with a lower score are skipped.
        topk: The k's to report.
        ranking: Ranking of the detections; None ranks by similarity.
        gallery: Size of the gallery, for a protocol with several.

    Raises:
        InputError: Detections or embeddings that do not fit the protocol or are not finite, an unknown gallery, or no
            query whose gallery shows the person.
    """
    index = build_search_index(protocol, detections, query_feats, det_thr)
    galleries = [build_gallery(protocol, index, gallery)]
    return _evaluate(index, galleries, [ranking], topk)[0]


def evaluate_searches(
    protocol: SearchProtocol,
    detections: Sequence[InstanceData],
    query_feats: Tensor,
    det_thr: float = 0.5,
    topk: Sequence[int] = (1, 5, 10),
    rankings: Sequence[BaseRanking | None] = (None,),
    galleries: Sequence[int] | None = None,
) -> list[SearchResult]:
    """Evaluate several galleries and rankings, which share the similarities, as :func:`evaluate_search` does one.

    ``galleries`` are sizes, by default all of the protocol.

    Returns:
        One result per gallery and ranking, the rankings of the first gallery first.
    """
    if galleries is None:
        galleries = protocol.galleries.sizes or [None]
    index = build_search_index(protocol, detections, query_feats, det_thr)
    return _evaluate(index, [build_gallery(protocol, index, size) for size in galleries], rankings, topk)


def iterate_chunks(
    index: SearchIndex, galleries: Sequence[Gallery], query_inds: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield chunks of the given queries, (R,) int64, and their similarities to all detections, (R, N).

    Queries of one image are in one chunk where they fit: rankings compute what depends on the scene once per chunk.
    """
    width = max(len(index.image_inds), 1, *(gallery.max_columns for gallery in galleries))
    size = max(1, _MAX_SIMILARITIES // width)
    images, order = index.query_image_inds[query_inds].sort(stable=True)
    query_inds = query_inds[order]
    # Where an image's queries end and the next one's begin.
    scene_ends = np.append(torch.nonzero(images.diff()).flatten().cpu().numpy() + 1, len(images))
    start = 0
    while start < len(query_inds):
        stop = min(start + size, len(query_inds))
        fitting = scene_ends[(scene_ends > start) & (scene_ends <= stop)]
        if len(fitting):  # else one image has more queries than fit
            stop = int(fitting[-1])
        chunk = query_inds[start:stop]
        yield chunk, index.similarities(chunk)
        start = stop


def _evaluate(
    index: SearchIndex, galleries: Sequence[Gallery], rankings: Sequence[BaseRanking | None], topk: Sequence[int]
) -> list[SearchResult]:
    held = torch.stack([gallery.pairs.counts > 0 for gallery in galleries])
    report_skipped(galleries, held, stacklevel=4)  # points at the public caller
    shape = (len(galleries), len(rankings), len(index.query_feats))
    aps = torch.zeros(shape, dtype=torch.float64, device=held.device)
    ranks = torch.zeros(shape, dtype=torch.int64, device=held.device)
    for query_inds, sims in iterate_chunks(index, galleries, torch.nonzero(held.any(0)).flatten()):
        for r, ranking in enumerate(rankings):
            ranked = None
            for g, gallery in enumerate(galleries):
                if ranking is None:
                    ranked = sims
                elif ranked is None or ranking.depends_on_gallery:
                    ranked = ranking.rank(QueryChunk(index, query_inds, sims, gallery))
                rows = held[g, query_inds]
                if rows.any():
                    inds = query_inds[rows]
                    part = ranked if rows.all() else ranked[rows]
                    aps[g, r, inds], ranks[g, r, inds] = aps_and_ranks(gallery, part, inds)
    names = [None if ranking is None else ranking.name for ranking in rankings]
    return summarize([gallery.name for gallery in galleries], names, held, aps, ranks, topk)


def summarize(
    galleries: Sequence[str | int],
    rankings: Sequence[str | None],
    held: Tensor,
    aps: Tensor,
    ranks: Tensor,
    topk: Sequence[int],
) -> list[SearchResult]:
    """Summarize (G, R, Q) average precisions, and ranks from 0, of the queries that the (G, Q) galleries hold.

    Returns:
        One result per gallery and ranking, given by their names, the rankings of the first gallery first.
    """
    return [
        SearchResult(
            mAP=float(aps[g, r, held[g]].mean()),
            topk={int(k): float((ranks[g, r, held[g]] < k).double().mean()) for k in topk},
            aps=aps[g, r, held[g]].cpu().numpy(),
            query_inds=torch.nonzero(held[g]).flatten().cpu().numpy(),
            num_skipped=int((~held[g]).sum()),
            gallery=gallery,
            ranking=ranking,
        )
        for g, gallery in enumerate(galleries)
        for r, ranking in enumerate(rankings)
    ]


def report_skipped(galleries: Sequence[Gallery], held: Tensor, stacklevel: int) -> None:
    """Warn of queries whose person is in no image of their gallery: (G, Q) ``held`` is False.

    Raises:
        InputError: A gallery in which no query can be evaluated.
    """
    skipped = {gallery.name: number for gallery, number in zip(galleries, (~held).sum(1).tolist())}
    for name, number in skipped.items():
        if number == held.shape[1]:
            raise InputError(
                f"gallery {name!r}: none of the {number} queries can be evaluated, "
                "no image of their galleries holds what they show"
            )
    if any(skipped.values()):
        counts = ", ".join(f"{number} in gallery {name!r}" for name, number in skipped.items() if number)
        warnings.warn(
            f"queries skipped because their gallery does not show them: {counts} (of {held.shape[1]})",
            stacklevel=stacklevel,
        )
