"""Mean average precision and top-k of person search."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.structures import SearchProtocol

from .index.gallery import Gallery, build_gallery
from .index.ragged import ragged_ranges, segment_last_argmax
from .index.search_index import SearchIndex, build_search_index
from .rankings.base import BaseRanking, QueryChunk

# Similarities held at a time; with the copies that are made of them about 40 bytes each.
_MAX_SIMILARITIES = 4_000_000


@dataclass
class SearchResult:
    """How well persons were found.

    Attributes:
        mAP: Mean of the average precisions, in [0, 1].
        topk: ``{k: share of queries with a right match among the k most similar}``, in [0, 1].
        aps: (num_queries,) float64 average precision of each evaluated query.
        query_inds: (num_queries,) int64 the evaluated queries.
        num_left_out: Number of queries that no image of their gallery holds; they are in no figure.
        gallery: ``'all'``, ``'cross_camera'`` or the size.
        ranking: Name of the ranking; None for plain similarity.
    """

    mAP: float
    topk: dict[int, float]
    aps: np.ndarray = field(repr=False)
    query_inds: np.ndarray = field(repr=False)
    num_left_out: int
    gallery: str | int
    ranking: str | None = None

    @property
    def num_queries(self) -> int:
        """Number of evaluated queries."""
        return len(self.query_inds)


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

    In each image of a query's gallery the detections are gone through by similarity; the first whose IoU with the
    true box (w x h) reaches min(0.5, w * h / ((w + 10) * (h + 10))) is the image's one right match. A query's average
    precision (scikit-learn's, equal similarities included) is multiplied by its recall, the share of the images that
    hold the person in which it was matched. Among equal similarities top-k takes the one that the public code's
    sorting puts first: the later one of its list.

    Args:
        protocol: Test images, queries and galleries.
        detections: One an image, in the protocol's order, with ``bboxes`` (n, 4) xyxy in pixels of the original image,
            ``scores`` (n,) and ``reid_feats`` (n, D); n may be 0.
        query_feats: (Q, D) embeddings of the queries. The search runs on their device.
        det_thr: Detections with a lower score are left out.
        topk: The k's to report.
        ranking: Changes the similarities before they are ranked; None leaves them.
        gallery: Which size of a protocol with several.

    Returns:
        The figures.

    Raises:
        ValueError: Detections or embeddings that do not fit the protocol or are not finite, an unknown gallery, or no
            query at all whose gallery holds the person.
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
    """:func:`evaluate_search` for several galleries and rankings, which share the similarities.

    Args:
        protocol: See :func:`evaluate_search`, as for ``detections``, ``query_feats``, ``det_thr`` and ``topk``.
        detections: One an image.
        query_feats: (Q, D).
        det_thr: Least score.
        topk: The k's to report.
        rankings: The rankings; None is plain similarity.
        galleries: The sizes; None takes all that the protocol has.

    Returns:
        One result for each gallery and ranking, the rankings of the first gallery first.
    """
    if galleries is None:
        galleries = list(protocol.galleries) if isinstance(protocol.galleries, dict) else [None]
    index = build_search_index(protocol, detections, query_feats, det_thr)
    return _evaluate(index, [build_gallery(protocol, index, name) for name in galleries], rankings, topk)


def iterate_chunks(
    index: SearchIndex, galleries: Sequence[Gallery], query_inds: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Similarities of the given queries to all detections, some queries at a time.

    Queries of one image come together, since rankings compute what depends on the query's scene once a chunk.

    Yields:
        (R,) int64 the queries of the chunk, and (R, N) their similarities.
    """
    width = max(len(index.image_inds), 1, *(gallery.max_columns() for gallery in galleries))
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
    index: SearchIndex,
    galleries: Sequence[Gallery],
    rankings: Sequence[BaseRanking | None],
    topk: Sequence[int],
) -> list[SearchResult]:
    held = torch.stack([gallery.pairs.counts > 0 for gallery in galleries])
    report_left_out(galleries, held)
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
                rows = torch.nonzero(held[g, query_inds]).flatten()
                if len(rows) == 0:
                    continue
                inds = query_inds[rows]
                part = ranked if len(rows) == len(query_inds) else ranked[rows]
                aps[g, r, inds], ranks[g, r, inds] = _figures(gallery, part, inds)
    return [
        _result(aps[g, r][held[g]], ranks[g, r][held[g]], held[g], topk, gallery.name, ranking)
        for g, gallery in enumerate(galleries)
        for r, ranking in enumerate(rankings)
    ]


def _result(
    aps: Tensor,
    ranks: Tensor,
    held: Tensor,
    topk: Sequence[int],
    gallery: str | int,
    ranking: BaseRanking | None,
) -> SearchResult:
    return SearchResult(
        mAP=float(aps.mean()),
        topk={int(k): float((ranks < k).double().mean()) for k in topk},
        aps=aps.cpu().numpy(),
        query_inds=torch.nonzero(held).flatten().cpu().numpy(),
        num_left_out=int((~held).sum()),
        gallery=gallery,
        ranking=None if ranking is None else ranking.name,
    )


def report_left_out(galleries: Sequence[Gallery], held: Tensor) -> None:
    """Warn of queries that no image of their gallery holds, on behalf of the caller's caller.

    Args:
        galleries: G galleries.
        held: (G, Q) bool, whether an image of the gallery holds the query's person.

    Raises:
        ValueError: A gallery in which no query can be evaluated.
    """
    left_out = (~held).sum(1).tolist()
    for gallery, number in zip(galleries, left_out):
        if number == held.shape[1]:
            raise ValueError(
                f"gallery {gallery.name!r}: none of the {number} queries can be evaluated, "
                "no image of their galleries holds what they show"
            )
    if any(left_out):
        counts = ", ".join(f"{number} in gallery {g.name!r}" for g, number in zip(galleries, left_out) if number)
        warnings.warn(
            f"queries left out because no image of their gallery holds what they show: {counts} (of {held.shape[1]})",
            stacklevel=4,
        )


def _figures(gallery: Gallery, ranked: Tensor, query_inds: Tensor) -> tuple[Tensor, Tensor]:
    """Average precision x recall, and how many come before the best right match.

    Args:
        gallery: The galleries of the queries, each of which holds its query's person at least once.
        ranked: (R, N) similarities to all detections.
        query_inds: (R,) the queries.

    Returns:
        (R,) float64 average precisions, (R,) int64 ranks from 0; the largest integer where nothing was matched.
    """
    matches = _right_matches(gallery, ranked, query_inds)
    ordered = _sort_rows_(gallery.arrange(ranked, query_inds))
    aps = _precisions(ordered, matches).sum(1) / gallery.pairs.counts[query_inds]
    return aps, _best_ranks(gallery, ranked, query_inds, ordered, matches)


def match_precisions(gallery: Gallery, ranked: Tensor, query_inds: Tensor) -> Tensor:
    """Precision at each right match, the least similar match first.

    Args:
        gallery: See :func:`_figures`, as for ``ranked`` and ``query_inds``.
        ranked: (R, N).
        query_inds: (R,).

    Returns:
        (R, M) float64, M the most matches of a query; zeros behind a query's matches.
    """
    matches = _right_matches(gallery, ranked, query_inds)
    return _precisions(_sort_rows_(gallery.arrange(ranked, query_inds)), matches)


def _precisions(ordered: Tensor, matches: _Matches) -> Tensor:
    positives = _padded_rows(matches.rows, matches.values, len(ordered))
    # Equal similarities count as one step of the precision-recall curve: all at or above it are retrieved.
    retrieved = ordered.shape[1] - torch.searchsorted(ordered, positives)
    num_right = torch.isfinite(positives).sum(1, keepdim=True)
    found = num_right - torch.searchsorted(positives, positives)
    return (found.double() / retrieved).masked_fill_(torch.isinf(positives), 0)


@dataclass
class _Matches:
    """The one right match of each image that holds the query's person and has a detection on it.

    Attributes:
        rows: (M,) row of the query among the similarities, ascending.
        values: (M,) similarities.
        columns: (M,) columns in the query's list of similarities.
        firsts: (M,) column of the image's first detection.
        ends: (M,) column after the image's last detection.
    """

    rows: Tensor
    values: Tensor
    columns: Tensor
    firsts: Tensor
    ends: Tensor


def _right_matches(gallery: Gallery, ranked: Tensor, query_inds: Tensor) -> _Matches:
    pairs = gallery.pairs
    index = gallery.index
    pair_inds, pair_rows = ragged_ranges(pairs.offsets[query_inds], pairs.counts[query_inds])
    starts = pairs.candidate_offsets[pair_inds]
    inds, owners = ragged_ranges(starts, pairs.candidate_offsets[pair_inds + 1] - starts)
    detections = pairs.candidates[inds]
    values = ranked[pair_rows[owners], detections]
    # Going down by similarity, the first candidate is the most similar one; of equal ones the later is seen first.
    best = segment_last_argmax(values, owners, len(pair_inds))
    matched = best >= 0
    best = best[matched]
    image_inds = pairs.image_inds[pair_inds[matched]]
    firsts = pairs.columns[pair_inds[matched]]
    return _Matches(
        rows=pair_rows[matched],
        values=values[best],
        columns=firsts + detections[best] - index.offsets[image_inds],
        firsts=firsts,
        ends=firsts + index.counts[image_inds],
    )


def _best_ranks(gallery: Gallery, ranked: Tensor, query_inds: Tensor, ordered: Tensor, matches: _Matches) -> Tensor:
    """How many detections come before the best right match of each query.

    The public code sorts a list by ``np.argsort(similarities)[::-1]``, stable here: of equal ones the later comes
    first. In the list an image that holds the person has its detections in that very order, other images as detected.
    """
    num, width = len(query_inds), ordered.shape[1]
    thresholds = matches.values.new_full((num,), -torch.inf)
    thresholds = thresholds.scatter_reduce_(0, matches.rows, matches.values, "amax")
    # Of equally similar right matches the one whose image comes last in the list.
    places = matches.firsts.masked_fill(matches.values != thresholds[matches.rows], -1)
    best = segment_last_argmax(places.double(), matches.rows, num)

    above = width - torch.searchsorted(ordered, thresholds[:, None], right=True).squeeze(1)
    equal = width - torch.searchsorted(ordered, thresholds[:, None]).squeeze(1) - above
    ranks = above.masked_fill(best < 0, torch.iinfo(torch.int64).max)

    tied = torch.nonzero((equal > 1) & (best >= 0)).flatten()
    if len(tied):
        best = best[tied, None]
        same = gallery.arrange(ranked[tied], query_inds[tied]) == thresholds[tied, None]
        columns = torch.arange(width, device=same.device)[: same.shape[1]]
        before = (columns >= matches.firsts[best]) & (columns < matches.columns[best])
        before |= columns >= matches.ends[best]
        ranks[tied] += (before & same).sum(1)
    return ranks


def _padded_rows(rows: Tensor, values: Tensor, num_rows: int) -> Tensor:
    """Values of each row in ascending order, +inf behind them.

    Args:
        rows: (M,) row of each value, ascending.
        values: (M,) finite values.
        num_rows: Number of rows.
    """
    counts = torch.bincount(rows, minlength=num_rows)
    places = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[rows]
    width = int(counts.max()) if len(counts) else 0
    result = values.new_full((num_rows, width), torch.inf)
    result[rows, places] = values
    return result.sort(1)[0].contiguous()


def _sort_rows_(values: Tensor) -> Tensor:
    """Sort each row, ascending, in place where that is faster."""
    if values.is_cuda:
        return values.sort(1)[0]
    # NumPy sorts floats by vector instructions: ten times faster than torch.sort, which also returns indices.
    values.numpy().sort(axis=1)
    return values
