"""Precision, recall and false positive rate of a search's hits against their least similarity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.structures import SearchProtocol
from mmpersonsearch.utils.errors import InputError

from .index.ragged import least_iou, paired_iou, ragged_ranges
from .index.search_index import SearchIndex, build_search_index
from .search import iterate_chunks


@dataclass
class HitCurve:
    """Metrics of the hits with at least a similarity; a hit is the most similar detection of a picture.

    Attributes:
        thresholds: (T,) float64 the similarities of hits, ascending.
        hits: (T,) int64 number of hits.
        precision: (T,) right hits / hits, in (0, 1].
        recall: (T,) right hits / pictures that show the query's person.
        false_positive_rate: (T,) hits in pictures that do not show the person / these pictures.
    """

    thresholds: np.ndarray
    hits: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    false_positive_rate: np.ndarray

    def choose(self, precision: float | None = None, false_positive_rate: float | None = None) -> int:
        """Return the place of the lowest threshold that reaches a precision, or a false positive rate.

        Raises:
            InputError: None does; the message names the best.
        """
        if (precision is None) == (false_positive_rate is None):
            raise InputError("expected a precision or a false positive rate")
        if precision is not None:
            reached, best = self.precision >= precision, f"precision {precision}: the highest is {self.precision.max()}"
        else:
            rate = self.false_positive_rate
            reached, best = rate <= false_positive_rate, f"false positive rate {false_positive_rate}: the lowest is "
            best += f"{rate.min():.2g}, of the most similar hit alone"
        if not reached.any():
            raise InputError(f"no least similarity reaches the {best}")
        return int(reached.argmax())


def measure_hits(
    protocol: SearchProtocol, detections: Sequence[InstanceData], query_feats: Tensor, det_thr: float = 0.5
) -> HitCurve:
    """Search all pictures but the query's own, and measure the hits.

    A hit is right if its IoU with the person's true box is that of a true positive in :func:`evaluate_search`.

    Args:
        protocol: Pictures and queries; its galleries are not read.
        detections: One per picture; see :func:`evaluate_search`, also for the other arguments.
        query_feats: (Q, D).
        det_thr: Detections with a lower score are skipped.

    Raises:
        InputError: Nobody was detected; no other picture shows a query's person, or all do.
    """
    index = build_search_index(protocol, detections, query_feats, det_thr)
    filled = np.flatnonzero(index.counts.cpu().numpy())
    if not len(filled):
        raise InputError(f"nobody was detected in {len(protocol.images)} pictures with a score of {det_thr} or more")
    persons, person = np.unique([query.person_id for query in protocol.queries], return_inverse=True)
    is_right, shows = _find_persons(protocol, index, persons)
    own, starts = index.query_image_inds.cpu().numpy(), index.offsets.cpu().numpy()[filled]
    parts = []
    for inds, similarities in iterate_chunks(index, [], torch.arange(len(person))):
        of_chunk, values = person[inds.cpu().numpy()], similarities.cpu().numpy()
        best = np.maximum.reduceat(values, starts, axis=1)
        of_person = np.maximum.reduceat(np.where(is_right[of_chunk], values, -np.inf), starts, axis=1)
        other = filled != own[inds.cpu().numpy()][:, None]
        parts.append([one[other] for one in (best, of_person == best, shows[of_chunk][:, filled])])
    shown = int(shows[person].sum() - shows[person, own].sum())
    similarities, right, in_shown = map(np.concatenate, zip(*parts))
    return _curve(similarities, right, in_shown, shown, len(person) * (len(protocol.images) - 1) - shown)


def _find_persons(protocol: SearchProtocol, index: SearchIndex, persons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tell which detections are on each of P persons, (P, N), and which images show them, (P, S)."""
    images = protocol.images
    image_inds = np.repeat(np.arange(len(images)), [len(image.person_ids) for image in images])
    person_ids = np.concatenate([image.person_ids for image in images])
    bboxes = np.concatenate([image.bboxes for image in images])
    wanted = np.isin(person_ids, persons)
    places, image_inds = np.searchsorted(persons, person_ids[wanted]), image_inds[wanted]
    shows = np.zeros((len(persons), len(images)), dtype=bool)
    shows[places, image_inds] = True
    # Each true box beside each detection of its image
    own = torch.from_numpy(image_inds).to(index.offsets.device)
    found, owners = ragged_ranges(index.offsets[own], index.counts[own])
    truth = torch.from_numpy(bboxes[wanted]).to(index.bboxes)[owners]
    right = (paired_iou(index.bboxes[found], truth) >= least_iou(truth)).cpu().numpy()
    is_right = np.zeros((len(persons), len(index.bboxes)), dtype=bool)
    is_right[places[owners.cpu().numpy()[right]], found.cpu().numpy()[right]] = True
    return is_right, shows


def _curve(similarities: np.ndarray, right: np.ndarray, in_shown: np.ndarray, shown: int, not_shown: int) -> HitCurve:
    """Make the curve of H hits in pictures that show the person or not, and the numbers of all such pictures."""
    if not shown or not not_shown:
        kind = "shows" if not shown else "lacks"
        raise InputError(f"no other picture {kind} the person of a query: precision and recall need both")
    thresholds, places = np.unique(similarities, return_inverse=True)

    def count(which: np.ndarray) -> np.ndarray:
        return np.bincount(places[which], minlength=len(thresholds))[::-1].cumsum()[::-1]

    hits, found = count(np.ones(len(right), dtype=bool)), count(right)
    rate = count(~in_shown) / not_shown
    return HitCurve(thresholds.astype(np.float64), hits, found / hits, found / shown, rate)
