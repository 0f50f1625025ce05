"""Evaluation of search by pairs, whose detections depend on the query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from mmpersonsearch.structures import SearchProtocol
from mmpersonsearch.utils.errors import InputError

from .index.pairs import PairGallery, QueryResults, check_results, galleries_alone
from .match import aps_and_ranks
from .rankings.base import BaseRanking
from .search import SearchResult, report_skipped, summarize

# Detections of all images held at a time: about 200 bytes each with what is computed of them.
_MAX_DETECTIONS = 2_000_000


def evaluate_pair_search(
    protocol: SearchProtocol,
    results: Sequence[QueryResults],
    det_thr: float = 0.5,
    topk: Sequence[int] = (1, 5, 10),
    ranking: BaseRanking | None = None,
    gallery: int | None = None,
) -> SearchResult:
    """Evaluate search by pairs as :func:`evaluate_search` does search by embeddings.

    Args:
        protocol: Test images, queries and galleries.
        results: One per query, with all images of its gallery; each is read once, in order, so that a sequence may
            read them from disk.
        det_thr: Detections with a lower score are skipped.
        topk: The k's to report.
        ranking: None; rankings need embeddings of all detections.
        gallery: Size of the gallery, for a protocol with several.

    Raises:
        InputError: A ranking, results that do not fit the protocol or are not finite, an unknown gallery, or no query
            whose gallery shows the person.
    """
    refuse_rankings([ranking])
    return _evaluate(protocol, results, det_thr, topk, [gallery])[0]


def evaluate_pair_searches(
    protocol: SearchProtocol,
    results: Sequence[QueryResults],
    det_thr: float = 0.5,
    topk: Sequence[int] = (1, 5, 10),
    galleries: Sequence[int] | None = None,
) -> list[SearchResult]:
    """Evaluate several galleries, by default all of the protocol, as :func:`evaluate_pair_search` does one."""
    return _evaluate(protocol, results, det_thr, topk, galleries or protocol.galleries.sizes or [None])


def refuse_rankings(rankings: Sequence[BaseRanking | dict | None]) -> None:
    """Raise ``InputError`` if one is not None, plain similarity."""
    if refused := [ranking for ranking in rankings if ranking is not None]:
        kind = refused[0]["type"] if isinstance(refused[0], dict) else type(refused[0]).__name__
        raise InputError(
            f"search by pairs has matching scores of each query's own detections, but {kind} compares embeddings of "
            "the persons in all scenes: leave rankings out"
        )


def _evaluate(
    protocol: SearchProtocol,
    results: Sequence[QueryResults],
    det_thr: float,
    topk: Sequence[int],
    sizes: Sequence[int | None],
) -> list[SearchResult]:
    if len(results) != len(protocol.queries):
        raise InputError(f"results: expected those of {len(protocol.queries)} queries, got {len(results)}")
    galleries = galleries_alone(protocol, sizes)
    held = torch.stack([gallery.pairs.counts > 0 for gallery in galleries])
    report_skipped(galleries, held, stacklevel=4)
    shape = (len(galleries), 1, len(results))
    aps, ranks = torch.zeros(shape, dtype=torch.float64), torch.zeros(shape, dtype=torch.int64)
    for query_inds, found in _iterate_chunks(protocol, results, torch.nonzero(held.any(0)).flatten(), det_thr):
        for g, gallery in enumerate(galleries):
            rows = torch.nonzero(held[g, query_inds]).flatten()
            if len(rows):
                inds = query_inds[rows]
                searched = PairGallery(gallery, inds, [found[i] for i in rows.tolist()])
                numbers = aps_and_ranks(searched, searched.similarities, torch.arange(len(rows)))
                aps[g, 0, inds], ranks[g, 0, inds] = numbers
    return summarize([gallery.name for gallery in galleries], [None], held, aps, ranks, topk)


def _iterate_chunks(
    protocol: SearchProtocol, results: Sequence[QueryResults], query_inds: Tensor, det_thr: float
) -> Iterator[tuple[Tensor, list[QueryResults]]]:
    """Yield queries, (R,) int64, with the detections that count, a bounded number at a time."""
    inds, chunk, size = [], [], 0
    for query_ind in query_inds.tolist():
        found = results[query_ind]
        check_results(protocol, query_ind, found)
        if chunk and size + len(found.scores) > _MAX_DETECTIONS:
            yield torch.tensor(inds), chunk
            inds, chunk, size = [], [], 0
        inds.append(query_ind)
        chunk.append(found.counted(protocol, det_thr))
        size += len(found.scores)
    if chunk:
        yield torch.tensor(inds), chunk
