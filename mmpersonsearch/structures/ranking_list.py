"""The best matches of a single query."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class RankingList:
    """The k gallery images that are most similar to a query, each by its most similar detection.

    Attributes:
        query_ind: The query.
        image_inds: (k,) int64 images of the protocol, best first; fewer where the gallery has fewer with detections.
        bboxes: (k, 4) float64 the detections, xyxy in pixels.
        similarities: (k,) as ranked.
        right: (k,) bool, whether the detection is on the query's person.
        true_bboxes: k boxes (4,) float64 of the query's person in these images, None where it is absent.
        other_bboxes: k arrays (n, 4) float64, the images' other detections.
    """

    query_ind: int
    image_inds: np.ndarray
    bboxes: np.ndarray
    similarities: np.ndarray
    right: np.ndarray
    true_bboxes: list[np.ndarray | None]
    other_bboxes: list[np.ndarray]
