"""Context bipartite graph matching (CBGM)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from mmpersonsearch.evaluation.index.ragged import places_in_segments
from mmpersonsearch.evaluation.index.search_index import SearchIndex
from mmpersonsearch.registry import RANKINGS
from mmpersonsearch.utils.errors import InputError

from .base import BaseRanking, QueryChunk
from .rcp import context_persons

# Numbers gathered at a time, mostly embeddings: 4 or 8 bytes each, and about as many again in the product.
_MAX_NUMBERS = 8_000_000


@RANKINGS.register_module()
class ContextBipartiteGraphMatching(BaseRanking):
    """Ranking that matches the persons of the query's scene with those of a gallery image jointly.

    Li & Miao, "Sequential End-to-end Network for Efficient Person Search" (SeqNet), AAAI 2021. For each query and each
    of the ``num_images`` gallery images whose best detection is most similar to it, let V be the query and the most
    confident context persons of its scene, ``num_persons`` in all, and U the detections of the image. M is the
    matching of maximum weight in the complete bipartite graph of V and U with the similarities v . u as weights. The u
    that is matched with the query gets the total weight, all other similarities stay:

        S(q, u) = sum_{(v, u') in M} v . u'   for (q, u) in M.

    - The query has its own embedding and counts in ``num_persons``, as in the public code. Context persons are RCP's
      (:func:`context_persons`). Of equal scores the earlier detection is the more confident one.
    - Of images with equally similar best detections the one later in the gallery comes first, as everywhere in the
      evaluation. Of equally heavy matchings the solver's is taken.
    - M matches the whole smaller side: negative weights count, and the total, usually more than v . u, may exceed 1.

    The public code (github.com/serend1p1ty/SeqNet) differs: its new similarity is the largest single weight of M, not
    the total; it takes the images of the ``num_images`` most similar *detections*, which may be fewer; and it drops
    every detection of the scene whose IoU with the query's box is above 0.5.

    Args:
        num_images: The paper's k1: gallery images per query, >= 1; 30 for PRW, 10 for CUHK-SYSU.
        num_persons: The paper's k2: persons of the query's scene including the query, >= 1; 4 for PRW, 3 for
            CUHK-SYSU. With 1 nothing changes.
        name: Name in the metrics.

    Raises:
        InputError: num_images or num_persons is not an integer >= 1.
    """

    depends_on_gallery = True

    def __init__(self, num_images: int = 30, num_persons: int = 4, name: str = "cbgm") -> None:
        for key, value in (("num_images", num_images), ("num_persons", num_persons)):
            if not isinstance(value, int) or value < 1:
                raise InputError(f"ContextBipartiteGraphMatching: {key} must be an integer >= 1, got {value!r}")
        self.num_images = num_images
        self.num_persons = num_persons
        self.name = name

    def rank(self, chunk: QueryChunk) -> Tensor:
        """See :meth:`BaseRanking.rank`."""
        index = chunk.index
        ranked = chunk.similarities.clone()
        context, num_context = self._confident_context(index, chunk.query_inds)
        rows, images = self._similar_images(chunk)
        # Alone, a query is matched with the most similar detection, by their similarity.
        accompanied = num_context[rows] > 0
        rows, images = rows[accompanied], images[accompanied]
        # Images of similar size are in one block, which leaves little padding.
        counts, order = index.counts[images].sort(descending=True, stable=True)
        rows, images = rows[order], images[order]
        for block in _blocks(counts.cpu().numpy(), context.shape[1], index.feats.shape[1]):
            weights = _weights(chunk, context, rows[block], images[block])
            num_nodes = num_context[rows[block]] + 1
            matched, totals = _match_queries(weights, num_nodes.cpu().numpy(), counts[block].cpu().numpy())
            matched = torch.from_numpy(matched).to(rows.device)
            totals = torch.from_numpy(totals).to(ranked)
            found = matched >= 0
            detections = index.offsets[images[block]] + matched
            ranked[rows[block][found], detections[found]] = totals[found]
        return ranked

    def _confident_context(self, index: SearchIndex, query_inds: Tensor) -> tuple[Tensor, Tensor]:
        """(R, C) context persons by descending score, C < num_persons, padded with 0; and (R,) their number."""
        persons, rows = context_persons(index, query_inds)
        order = index.scores[persons].sort(descending=True, stable=True)[1]
        order = order[rows[order].sort(stable=True)[1]]
        persons, rows = persons[order], rows[order]
        places, counts = places_in_segments(rows, len(query_inds))
        counts = counts.clamp_max(self.num_persons - 1)
        kept = places < self.num_persons - 1
        table = persons.new_zeros(len(query_inds), int(counts.max()) if len(counts) else 0)
        table[rows[kept], places[kept]] = persons[kept]
        return table, counts

    def _similar_images(self, chunk: QueryChunk) -> tuple[Tensor, Tensor]:
        """The most similar images of each query's gallery: (P,) row of the query and (P,) image."""
        index = chunk.index
        sims = chunk.similarities
        best = sims.new_full((len(sims), index.num_images), -torch.inf)
        best.scatter_reduce_(1, index.image_inds.expand(len(sims), -1), sims, "amax")
        # Reversed, a stable sort takes the later of equal ones first.
        images = chunk.gallery.image_lists(chunk.query_inds).flip(1)
        values = best.gather(1, images.clamp_min(0)).masked_fill_(images < 0, -torch.inf)
        values, order = values.sort(dim=1, descending=True, stable=True)
        rows, columns = torch.nonzero(torch.isfinite(values[:, : self.num_images]), as_tuple=True)
        return rows, images[rows, order[rows, columns]]


def _blocks(counts: np.ndarray, num_context: int, dim: int) -> Iterator[slice]:
    """Cut pairs of a query and an image, sorted by descending number of detections, into runs that fit."""
    start = 0
    while start < len(counts):
        numbers = (int(counts[start]) + num_context) * (dim + num_context)
        stop = start + max(1, _MAX_NUMBERS // numbers)
        yield slice(start, stop)
        start = stop


def _weights(chunk: QueryChunk, context: Tensor, rows: Tensor, images: Tensor) -> np.ndarray:
    """(P, 1 + C, W) float64 similarities of queries and their (R, C) context persons to the detections of images.

    ``rows`` are the pairs' queries, ``images`` their images, the one with most detections first; a pair's entries
    beyond its context persons and detections are padding.
    """
    index = chunk.index
    columns = torch.arange(int(index.counts[images[0]]), device=images.device)
    detections = (index.offsets[images, None] + columns).clamp_max_(len(index.feats) - 1)
    of_query = chunk.similarities[rows[:, None], detections]
    of_context = index.feats[context[rows]] @ index.feats[detections].mT
    return torch.cat([of_query[:, None], of_context], 1).double().cpu().numpy()


def _match_queries(weights: np.ndarray, num_nodes: np.ndarray, num_dets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(P,) int64 detection matched with the query, -1 for none, and (P,) float64 total weights.

    ``weights`` are padded; a pair has ``num_nodes`` persons in rows, the query first, and ``num_dets`` in columns.
    """
    from scipy.optimize import linear_sum_assignment  # takes a third as long to import as PyTorch

    matched = np.full(len(weights), -1, dtype=np.int64)
    totals = np.zeros(len(weights))
    for p, (nodes, dets) in enumerate(zip(num_nodes.tolist(), num_dets.tolist())):
        graph = weights[p, :nodes, :dets]
        rows, columns = linear_sum_assignment(graph, maximize=True)
        if rows[0] == 0:
            matched[p] = columns[0]
            totals[p] = graph[rows, columns].sum()
    return matched, totals
