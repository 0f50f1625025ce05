"""True positives among ranked detections, and the average precision and rank that they give."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .index.gallery import Searched
from .index.ragged import places_in_segments, precisions_at, ragged_ranges, segment_last_argmax


def aps_and_ranks(searched: Searched, ranked: Tensor, query_inds: Tensor) -> tuple[Tensor, Tensor]:
    """Compute average precision x recall, and the rank of the best true positive.

    Args:
        searched: The galleries of the queries, each of which shows its query's person at least once.
        ranked: (R, N) similarities to all detections.
        query_inds: (R,) the queries.

    Returns:
        (R,) float64 average precisions, (R,) int64 ranks from 0; the largest integer without a true positive.
    """
    matches = _true_positives(searched, ranked, query_inds)
    ordered = _sort_selected(searched, ranked, query_inds, matches)
    aps = _precisions(ordered, matches).sum(1) / searched.pairs.counts[query_inds]
    return aps, _best_ranks(searched, ranked, query_inds, ordered, matches)


def match_precisions(searched: Searched, ranked: Tensor, query_inds: Tensor) -> Tensor:
    """Compute the precision at each true positive, the least similar first; arguments as :func:`aps_and_ranks`.

    Returns:
        (R, M) float64, M the most true positives of a query, padded with zeros.
    """
    matches = _true_positives(searched, ranked, query_inds)
    return _precisions(_sort_selected(searched, ranked, query_inds, matches), matches)


@dataclass
class _Matches:
    """The M true positives, at most one per image that shows the query's person.

    ``columns`` are those of :meth:`Searched.arrange`, ``firsts`` and ``ends`` those of the image's first detection and
    after its last.
    """

    rows: Tensor  # of the query, ascending
    values: Tensor
    columns: Tensor
    firsts: Tensor
    ends: Tensor


def _true_positives(searched: Searched, ranked: Tensor, query_inds: Tensor) -> _Matches:
    pairs = searched.pairs
    pair_inds, pair_rows = ragged_ranges(pairs.offsets[query_inds], pairs.counts[query_inds])
    starts = pairs.candidate_offsets[pair_inds]
    inds, owners = ragged_ranges(starts, pairs.candidate_offsets[pair_inds + 1] - starts)
    detections = pairs.candidates[inds]
    values = ranked[pair_rows[owners], detections]
    # In order of decreasing similarity the first candidate is the most similar one, of equal ones the later.
    best = segment_last_argmax(values, owners, len(pair_inds))
    matched = best >= 0
    best = best[matched]
    firsts = pairs.columns[pair_inds[matched]]
    return _Matches(
        rows=pair_rows[matched],
        values=values[best],
        columns=firsts + detections[best] - pairs.starts[pair_inds[matched]],
        firsts=firsts,
        ends=firsts + pairs.lengths[pair_inds[matched]],
    )


def _sort_selected(searched: Searched, ranked: Tensor, query_inds: Tensor, matches: _Matches) -> Tensor:
    """Sort what is at least as similar as the least similar true positive of each query, (R, L), ascending."""
    least = matches.values.new_full((len(query_inds),), torch.inf)
    least = least.scatter_reduce_(0, matches.rows, matches.values, "amin")
    return _sort_rows_(searched.select(ranked, query_inds, least))


def _precisions(ordered: Tensor, matches: _Matches) -> Tensor:
    places, counts = places_in_segments(matches.rows, len(ordered))
    positives = matches.values.new_full((len(ordered), int(counts.max()) if len(counts) else 0), torch.inf)
    positives[matches.rows, places] = matches.values
    return precisions_at(ordered, positives.sort(1)[0].contiguous())


def _best_ranks(searched: Searched, ranked: Tensor, query_inds: Tensor, ordered: Tensor, matches: _Matches) -> Tensor:
    """Number of detections before the best true positive of each query.

    The public code sorts a list by ``np.argsort(similarities)[::-1]``, stable here: of equal ones the later comes
    first. In the list an image that shows the person has its detections in that order, other images as detected.
    """
    num, width = len(query_inds), ordered.shape[1]
    thresholds = matches.values.new_full((num,), -torch.inf)
    thresholds = thresholds.scatter_reduce_(0, matches.rows, matches.values, "amax")
    # Of equally similar true positives the one whose image comes last in the list.
    places = matches.firsts.masked_fill(matches.values != thresholds[matches.rows], -1)
    best = segment_last_argmax(places.double(), matches.rows, num)

    above = width - torch.searchsorted(ordered, thresholds[:, None], right=True).squeeze(1)
    equal = width - torch.searchsorted(ordered, thresholds[:, None]).squeeze(1) - above
    ranks = above.masked_fill(best < 0, torch.iinfo(torch.int64).max)

    tied = torch.nonzero((equal > 1) & (best >= 0)).flatten()
    if len(tied):
        best = best[tied, None]
        same = searched.arrange(ranked[tied], query_inds[tied]) == thresholds[tied, None]
        columns = torch.arange(same.shape[1], device=same.device)
        before = (columns >= matches.firsts[best]) & (columns < matches.columns[best])
        before |= columns >= matches.ends[best]
        ranks[tied] += (before & same).sum(1)
    return ranks


def _sort_rows_(values: Tensor) -> Tensor:
    """Sort each row, ascending, in place where that is faster."""
    if values.is_cuda:
        return values.sort(1)[0]
    # NumPy sorts floats by vector instructions: ten times faster than torch.sort, which also returns indices.
    values.numpy().sort(axis=1)
    return values
