"""Ranking lists of single queries, and the queries with the lowest average precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.structures import Listed, RankingList, SearchProtocol
from mmpersonsearch.utils.errors import InputError

from .index.gallery import Gallery, build_gallery
from .index.pairs import QueryResults, check_results
from .index.ragged import ragged_ranges, segment_last_argmax
from .index.search_index import SearchIndex, build_search_index
from .pairs import refuse_rankings
from .rankings.base import BaseRanking, QueryChunk
from .search import SearchResult, iterate_chunks


def rank_gallery(
    protocol: SearchProtocol,
    detections: Sequence[InstanceData],
    query_feats: Tensor,
    query_inds: Sequence[int],
    k: int = 5,
    det_thr: float = 0.5,
    ranking: BaseRanking | None = None,
    gallery: int | None = None,
) -> list[RankingList]:
    """Find the k best gallery images of each query in ``query_inds``, in the order of these.

    The gallery need not show the queries' persons. For the other arguments see :func:`evaluate_search`.

    Raises:
        InputError: As :func:`evaluate_search`; a query index that does not exist.
    """
    if bad := [i for i in query_inds if not 0 <= i < len(protocol.queries)]:
        raise InputError(f"query_inds: {bad[0]} is not a query, the protocol has {len(protocol.queries)}")
    index = build_search_index(protocol, detections, query_feats, det_thr)
    searched = build_gallery(protocol, index, gallery)
    wanted = torch.as_tensor(list(query_inds), dtype=torch.int64, device=index.offsets.device)
    lists = {}
    for inds, sims in iterate_chunks(index, [searched], wanted.unique()):
        ranked = sims if ranking is None else ranking.rank(QueryChunk(index, inds, sims, searched))
        for query_ind, row in zip(inds, ranked):
            lists[int(query_ind)] = _best_images(index, searched, query_ind, row, k)
    return [lists[int(i)] for i in wanted]


def rank_pairs(
    protocol: SearchProtocol,
    results: Sequence[QueryResults],
    query_inds: Sequence[int],
    k: int = 5,
    det_thr: float = 0.5,
    ranking: BaseRanking | None = None,
    gallery: int | None = None,
) -> list[RankingList]:
    """:func:`rank_gallery` of search by pairs; see :func:`evaluate_pair_search` for the arguments and the errors.

    A query alone is searched by embeddings of width 1, its matching scores.
    """
    refuse_rankings([ranking])
    if bad := [i for i in query_inds if not 0 <= i < len(protocol.queries)]:
        raise InputError(f"query_inds: {bad[0]} is not a query, the protocol has {len(protocol.queries)}")
    lists = []
    for i in query_inds:
        check_results(protocol, i, results[i])
        detections = results[i].by_image(len(protocol.images))
        for found in detections:
            found.reid_feats = found.similarities[:, None]
        alone = _with_one_query(protocol, i)
        (best,) = rank_gallery(alone, detections, torch.ones(1, 1), [0], k, det_thr, None, gallery)
        lists.append(replace(best, query_ind=i))
    return lists


def _with_one_query(protocol: SearchProtocol, query_ind: int) -> SearchProtocol:
    galleries = protocol.galleries
    if isinstance(galleries, Listed):
        galleries = Listed({size: [lists[query_ind]] for size, lists in galleries.lists.items()})
    return replace(protocol, queries=[protocol.queries[query_ind]], galleries=galleries)


def worst_queries(result: SearchResult, number: int) -> list[int]:
    """Return at most ``number`` evaluated queries of the lowest average precision, lowest first, then by index."""
    return result.query_inds[np.argsort(result.aps, kind="stable")[:number]].tolist()


def _best_images(index: SearchIndex, gallery: Gallery, query_ind: Tensor, sims: Tensor, k: int) -> RankingList:
    images = gallery.image_lists(query_ind[None])[0]
    images = images[(images >= 0) & (index.counts[images] > 0)]
    dets, owners = ragged_ranges(index.offsets[images], index.counts[images])
    best = dets[segment_last_argmax(sims[dets], owners, len(images))]
    # Of equally similar images the later one first, as in the evaluation.
    order = sims[best].sort(stable=True)[1].flip(0)[:k]
    images, best = images[order], best[order]
    dets, owners = ragged_ranges(index.offsets[images], index.counts[images])
    others = index.bboxes[dets[dets != best[owners]]].split((index.counts[images] - 1).tolist())
    pairs = gallery.pairs
    inds = torch.arange(pairs.offsets[query_ind], pairs.offsets[query_ind + 1], device=images.device)
    right = pairs.candidates[ragged_ranges(pairs.candidate_offsets[inds], pairs.candidate_offsets.diff()[inds])[0]]
    true_bboxes = dict(zip(pairs.image_inds[inds].tolist(), pairs.bboxes[inds].cpu().numpy()))
    return RankingList(
        query_ind=int(query_ind),
        image_inds=images.cpu().numpy(),
        bboxes=index.bboxes[best].cpu().numpy(),
        similarities=sims[best].cpu().numpy(),
        right=torch.isin(best, right).cpu().numpy(),
        true_bboxes=[true_bboxes.get(i) for i in images.tolist()],
        other_bboxes=[bboxes.cpu().numpy() for bboxes in others],
    )
