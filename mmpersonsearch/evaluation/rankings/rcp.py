"""Ranking with context persons (RCP)."""

from __future__ import annotations

import torch
from torch import Tensor

from mmpersonsearch.evaluation.index.ragged import paired_iou, ragged_ranges, segment_first_argmax
from mmpersonsearch.evaluation.index.search_index import SearchIndex
from mmpersonsearch.registry import RANKINGS
from mmpersonsearch.utils.errors import InputError

from .base import BaseRanking, QueryChunk

# Similarities of context persons held at a time: 4 or 8 bytes each.
_MAX_SIMILARITIES = 8_000_000


@RANKINGS.register_module()
class RankingWithContextPersons(BaseRanking):
    """Ranking in which persons who accompany the query raise scenes that show them (TDN paper, equations 6 to 8).

    With the context persons q_i of the query's scene, and g_j the person most similar to q_i in the scene of g,

        S(q, g) = S_I(q, g) + weight * sum_i S_I(q, g) * [S_I(q_i, g_j) if >= threshold else 0],

    that is S_I(q, g) times one factor per query and scene. For the context persons see :func:`context_persons`.

    Args:
        threshold: The paper's b: least similarity of a context person to be counted, >= 0.
        weight: The paper's lambda, in (0, 1).
        name: Name in the metrics.

    Raises:
        InputError: threshold or weight out of range.
    """

    def __init__(self, threshold: float = 0.3, weight: float = 0.2, name: str = "rcp") -> None:
        if not threshold >= 0:
            raise InputError(f"RankingWithContextPersons: threshold must be >= 0, got {threshold}")
        if not 0 < weight < 1:
            raise InputError(f"RankingWithContextPersons: weight must be in (0, 1), got {weight}")
        self.threshold = threshold
        self.weight = weight
        self.name = name

    def rank(self, chunk: QueryChunk) -> Tensor:
        """See :meth:`BaseRanking.rank`."""
        index = chunk.index
        persons, rows = context_persons(index, chunk.query_inds)
        # Queries of one scene share their context: each person is compared once.
        unique, persons = persons.unique(return_inverse=True)
        sums = index.feats.new_zeros(len(chunk.query_inds), index.num_images)
        size = max(1, _MAX_SIMILARITIES // max(1, len(index.image_inds)))
        for start in range(0, len(unique), size):
            best = index.image_maxima(index.feats[unique[start : start + size]])
            best.masked_fill_(best < self.threshold, 0)
            inside = (persons >= start) & (persons < start + size)
            membership = sums.new_zeros(len(sums), len(best))
            membership[rows[inside], persons[inside] - start] = 1
            sums.addmm_(membership, best)
        factors = sums.mul_(self.weight).add_(1)
        return factors[:, index.slots.positions[index.image_inds]].mul_(chunk.similarities)


def context_persons(index: SearchIndex, query_inds: Tensor) -> tuple[Tensor, Tensor]:
    """Find the detections in each query's scene except the query.

    The query is the detection that overlaps its box most, if the IoU is at least 0.5.

    Returns:
        (C,) detections and (C,) the row in ``query_inds``, (R,), that each is a context person of.
    """
    images = index.query_image_inds[query_inds]
    persons, rows = ragged_ranges(index.offsets[images], index.counts[images])
    overlaps = paired_iou(index.bboxes[persons], index.query_bboxes[query_inds[rows]])
    itself = segment_first_argmax(overlaps, rows, len(query_inds))
    itself = itself[itself >= 0]
    itself = itself[overlaps[itself] >= 0.5]
    others = torch.ones(len(persons), dtype=torch.bool, device=persons.device)
    others[itself] = False
    return persons[others], rows[others]
