"""Evaluation of Re-ID: queries are searched for in a gallery of crops, of which each shows one person."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmpersonsearch.structures import RankingList
from mmpersonsearch.utils.errors import InputError

from .index.ragged import precisions_at
from .search import SearchResult, summarize

_MAX_SIMILARITIES = 4_000_000  # held at a time, with a few copies
UNKNOWN_CLOTHES = -1

# Which gallery images a query skips, by whether they are of its person, camera and clothes.
PROTOCOLS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "standard": lambda person, camera, clothes: person & camera,
    "same-clothes": lambda person, camera, clothes: person & (camera | ~clothes),
    "cross-clothes": lambda person, camera, clothes: person & (camera | clothes),
}


@dataclass
class ReIDImages:
    """The N images of a query or gallery list.

    Attributes:
        feats: (N, D) embeddings.
        person_ids: (N,) int64 identities.
        camera_ids: (N,) int64 cameras.
        clothes_ids: (N,) int64 clothes of each person, -1 where they are not known; None where they never are.
    """

    feats: Tensor
    person_ids: np.ndarray
    camera_ids: np.ndarray
    clothes_ids: np.ndarray | None = None

    def __post_init__(self) -> None:
        self.feats = torch.as_tensor(self.feats)
        if self.clothes_ids is None:
            self.clothes_ids = np.full(len(self.feats), UNKNOWN_CLOTHES)
        ids = [np.asarray(one, dtype=np.int64) for one in (self.person_ids, self.camera_ids, self.clothes_ids)]
        self.person_ids, self.camera_ids, self.clothes_ids = ids
        shapes = {
            "feats": self.feats.shape[:1],
            **dict(zip(("person_ids", "camera_ids", "clothes_ids"), map(np.shape, ids))),
        }
        if self.feats.ndim != 2 or any(tuple(shape) != (len(self.feats),) for shape in shapes.values()):
            raise InputError(
                f"ReIDImages: expected feats (N, D) and N of each number, got {self.feats.shape}, {shapes}"
            )


def evaluate_reid(
    query: ReIDImages,
    gallery: ReIDImages,
    protocol: str = "standard",
    topk: Sequence[int] = (1, 5, 10),
    normalize: bool = True,
    num_draws: int = 0,
    seed: int = 0,
) -> SearchResult:
    """Evaluate Re-ID by mean average precision and rank-k accuracy (CMC).

    Of gallery images of its own person a query skips, by ``protocol``:

    - ``'standard'``: those of its camera (Market-1501's rule);
    - ``'same-clothes'``: those of its camera or of other clothes;
    - ``'cross-clothes'``: those of its camera or of its clothes.

    A query without a match that it does not skip is itself skipped. Average precision is scikit-learn's, in which equal
    similarities are one step; of equally similar images rank-k takes the first of the gallery first.

    Args:
        query: The queries.
        gallery: What is searched.
        protocol: See above.
        topk: The k's to report.
        normalize: L2-normalize the embeddings, so that similarities are cosines; else they are plain dot products.
        num_draws: Single-shot: the metrics are means over so many random galleries, each with one image of each person
            (PRCC has ten). 0: the whole gallery.
        seed: Of the draws.

    Returns:
        ``topk`` holds the rank-k accuracies and ``gallery`` the protocol. With draws, a query is skipped in those in
        which it has no match, as it is without draws, and its average precision is its mean over the others; a draw in
        which no query has a match is left out of the means.

    Raises:
        InputError: An unknown protocol, unknown clothes in one that asks for them, embeddings of two widths or that are
            not finite, or no query with a match.
    """
    query, gallery = _checked(query, gallery, protocol, normalize)
    draws = _draw_galleries(gallery.person_ids, num_draws, seed)
    shape = (len(draws), len(query.feats))
    held, ranks = torch.zeros(shape, dtype=torch.bool), torch.zeros(shape, dtype=torch.int64)
    aps = torch.zeros(shape, dtype=torch.float64)
    for rows, sims, match in _iterate_chunks(query, gallery, protocol):
        for d, columns in enumerate(draws):
            held[d, rows], aps[d, rows], ranks[d, rows] = _match(sims[:, columns], match[:, columns])
    matched = held.any(1)
    if not matched.any():
        raise InputError(f"evaluate_reid: by the {protocol} protocol no query has a match in the gallery")
    held, aps, ranks = held[matched], aps[matched], ranks[matched]
    results = summarize([protocol] * len(held), [None], held, aps[:, None], ranks[:, None], topk)
    if len(results) == 1:
        return results[0]
    some = held.any(0)
    return SearchResult(
        mAP=float(np.mean([one.mAP for one in results])),
        topk={k: float(np.mean([one.topk[k] for one in results])) for k in results[0].topk},
        aps=((aps * held).sum(0) / held.sum(0))[some].numpy(),
        query_inds=torch.nonzero(some).flatten().numpy(),
        num_skipped=int((~some).sum()),
        gallery=protocol,
    )


def rank_reid(
    query: ReIDImages,
    gallery: ReIDImages,
    query_inds: Sequence[int],
    k: int = 5,
    protocol: str = "standard",
    normalize: bool = True,
) -> list[RankingList]:
    """Find the k gallery images that are most similar to each of some queries; see :func:`evaluate_reid`.

    Returns:
        Ranking lists whose ``image_inds`` are those of the gallery, without boxes. Skipped images are not in them.
    """
    query, gallery = _checked(query, gallery, protocol, normalize)
    if bad := [i for i in query_inds if not 0 <= i < len(query.feats)]:
        raise InputError(f"query_inds: {bad[0]} is not a query, there are {len(query.feats)}")
    inds = np.asarray(query_inds, dtype=np.int64)
    lists = []
    for rows, sims, match in _iterate_chunks(_part(query, inds), gallery, protocol):
        for row, values, right in zip(inds[rows], sims, match):
            order = torch.sort(values, descending=True, stable=True)[1][: min(k, int(torch.isfinite(values).sum()))]
            nothing = np.empty((len(order), 4))
            lists.append(
                RankingList(
                    query_ind=int(row),
                    image_inds=order.numpy(),
                    bboxes=nothing,
                    similarities=values[order].numpy(),
                    right=right[order].numpy(),
                    true_bboxes=[None] * len(order),
                    other_bboxes=[np.empty((0, 4))] * len(order),
                )
            )
    return lists


def _checked(query: ReIDImages, gallery: ReIDImages, protocol: str, normalize: bool) -> tuple[ReIDImages, ReIDImages]:
    """Check the lists and, if asked for, normalize their embeddings."""
    if protocol not in PROTOCOLS:
        raise InputError(f"evaluate_reid: protocol must be one of {list(PROTOCOLS)}, got {protocol!r}")
    if query.feats.shape[1] != gallery.feats.shape[1]:
        widths = query.feats.shape[1], gallery.feats.shape[1]
        raise InputError(
            f"evaluate_reid: embeddings of queries and gallery differ in width: {widths[0]} and {widths[1]}"
        )
    for name, images in (("query", query), ("gallery", gallery)):
        bad = torch.nonzero(~torch.isfinite(images.feats).all(1)).flatten().tolist()
        if bad:
            raise InputError(f"evaluate_reid: the embedding of {name} image {bad[0]} is not finite")
        if protocol != "standard" and (images.clothes_ids == UNKNOWN_CLOTHES).any():
            raise InputError(
                f"evaluate_reid: the {protocol} protocol needs the clothes of all images of the {name} list"
            )
    if normalize:
        query, gallery = (
            ReIDImages(F.normalize(one.feats, dim=1), one.person_ids, one.camera_ids, one.clothes_ids)
            for one in (query, gallery)
        )
    return query, gallery


def _part(images: ReIDImages, inds: np.ndarray) -> ReIDImages:
    return ReIDImages(images.feats[inds], images.person_ids[inds], images.camera_ids[inds], images.clothes_ids[inds])


def _draw_galleries(person_ids: np.ndarray, num_draws: int, seed: int) -> list[Tensor | slice]:
    """Columns of each draw: one image of each person, in the gallery's order; all without draws."""
    if num_draws == 0:
        return [slice(None)]
    draws = []
    for d in range(num_draws):
        order = np.random.default_rng((seed, d)).permutation(len(person_ids))
        draws.append(torch.from_numpy(np.sort(order[np.unique(person_ids[order], return_index=True)[1]])))
    return draws


def _iterate_chunks(query: ReIDImages, gallery: ReIDImages, protocol: str) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield some queries with their (R, G) similarities, -inf where skipped, and (R, G) whether they match."""
    size = max(1, _MAX_SIMILARITIES // max(1, len(gallery.feats)))
    for start in range(0, len(query.feats), size):
        rows = slice(start, start + size)
        same = [
            torch.from_numpy(of_query[rows, None] == of_gallery)
            for of_query, of_gallery in (
                (query.person_ids, gallery.person_ids),
                (query.camera_ids, gallery.camera_ids),
                (query.clothes_ids, gallery.clothes_ids),
            )
        ]
        skipped = PROTOCOLS[protocol](*same)
        sims = (query.feats[rows] @ gallery.feats.T).cpu().masked_fill(skipped, -torch.inf)
        yield rows, sims, same[0] & ~skipped


def _match(sims: Tensor, match: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Whether each of R queries has a match, its average precision, and the rank of its best match from 0."""
    counts = match.sum(1)
    positives = sims.masked_fill(~match, torch.inf).sort(1)[0][:, : max(1, int(counts.max()))].contiguous()
    aps = precisions_at(sims.sort(1)[0], positives).sum(1) / counts.clamp_min(1)
    best = sims.masked_fill(~match, -torch.inf).amax(1, keepdim=True)
    first = ((sims == best) & match).int().argmax(1, keepdim=True)
    before = torch.arange(sims.shape[1]) < first
    ranks = ((sims > best) | (sims == best) & before).sum(1)
    return counts > 0, aps, ranks
