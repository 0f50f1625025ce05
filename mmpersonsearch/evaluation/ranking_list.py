"""The best matches of single queries, and which queries are worst, for pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.structures import SearchProtocol

from .index.gallery import Gallery, build_gallery
from .index.ragged import ragged_ranges, segment_last_argmax
from .index.search_index import SearchIndex, build_search_index
from .rankings.base import BaseRanking, QueryChunk
from .search import SearchResult, iterate_chunks


@dataclass
class RankingList:
    """The k gallery images that are most similar to a query, each by its most similar detection.

    Attributes:
        query_ind: The query.
        image_inds: (k,) int64 images of the protocol, best first; fewer where the gallery has fewer with detections.
        bboxes: (k, 4) float64 the detections, xyxy in pixels.
        similarities: (k,) as ranked.
        right: (k,) bool, whether the detection is on the query's person.
        true_bboxes: (k, 4) float64 boxes of the query's person in these images, NaN where it is absent.
        other_bboxes: k arrays (n, 4) float64, the images' other detections.
    """

    query_ind: int
    image_inds: np.ndarray
    bboxes: np.ndarray
    similarities: np.ndarray
    right: np.ndarray
    true_bboxes: np.ndarray
    other_bboxes: list[np.ndarray]


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
    """Find the k best gallery images of some queries.

    Args:
        protocol: See :func:`evaluate_search`, as for ``detections``, ``query_feats``, ``det_thr``, ``ranking`` and
            ``gallery``.
        detections: One an image.
        query_feats: (Q, D) embeddings of all queries of the protocol.
        query_inds: The queries to rank for; also such as no image of the gallery holds.
        k: Number of images.
        det_thr: Least score.
        ranking: Changes the similarities.
        gallery: Which size.

    Returns:
        One list a query, in the order of ``query_inds``.

    Raises:
        ValueError: As :func:`evaluate_search`; a query index that the protocol has not.
    """
    bad = [i for i in query_inds if not 0 <= i < len(protocol.queries)]
    if bad:
        raise ValueError(f"query_inds: {bad[0]} is not a query, the protocol has {len(protocol.queries)}")
    index = build_search_index(protocol, detections, query_feats, det_thr)
    searched = build_gallery(protocol, index, gallery)
    wanted = torch.as_tensor(list(query_inds), dtype=torch.int64, device=index.offsets.device)
    lists = {}
    for inds, sims in iterate_chunks(index, [searched], wanted.unique()):
        ranked = sims if ranking is None else ranking.rank(QueryChunk(index, inds, sims, searched))
        for query_ind, row in zip(inds, ranked):
            lists[int(query_ind)] = _best_images(protocol, index, searched, query_ind, row, k)
    return [lists[int(i)] for i in wanted]


def worst_queries(result: SearchResult, number: int) -> list[int]:
    """The queries with the lowest average precision, the lowest first, of equal ones the first.

    Args:
        result: An evaluation; queries that it left out are not among the worst.
        number: How many at most.
    """
    return result.query_inds[np.argsort(result.aps, kind="stable")[:number]].tolist()


def _best_images(
    protocol: SearchProtocol, index: SearchIndex, gallery: Gallery, query_ind: Tensor, sims: Tensor, k: int
) -> RankingList:
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
    return RankingList(
        query_ind=int(query_ind),
        image_inds=images.cpu().numpy(),
        bboxes=index.bboxes[best].cpu().numpy(),
        similarities=sims[best].cpu().numpy(),
        right=torch.isin(best, right).cpu().numpy(),
        true_bboxes=_true_bboxes(protocol, gallery.name, int(query_ind), images.cpu().numpy()),
        other_bboxes=[bboxes.cpu().numpy() for bboxes in others],
    )


def _true_bboxes(protocol: SearchProtocol, gallery: str | int, query_ind: int, image_inds: np.ndarray) -> np.ndarray:
    """(k, 4) the query person's box in each of the images, the first of several; NaN where there is none."""
    if isinstance(protocol.galleries, dict):
        listed, bboxes = (np.asarray(part) for part in protocol.galleries[gallery][query_ind])
        order = np.argsort(listed)
        return bboxes.reshape(-1, 4)[order[np.searchsorted(listed, image_inds, sorter=order)]]
    result = np.full((len(image_inds), 4), np.nan)
    for row, image_ind in zip(result, image_inds):
        image = protocol.images[image_ind]
        row[:] = next(iter(image.bboxes[image.person_ids == protocol.queries[query_ind].person_id]), np.nan)
    return result
