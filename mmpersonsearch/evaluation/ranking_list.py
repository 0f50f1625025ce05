"""Ranking lists of single queries, and the queries with the lowest average precision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.structures import RankingList, SearchProtocol
from mmpersonsearch.utils.errors import InputError

from .index.gallery import Gallery, build_gallery
from .index.ragged import ragged_ranges, segment_last_argmax
from .index.search_index import SearchIndex, build_search_index
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
