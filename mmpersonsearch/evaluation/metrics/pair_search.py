"""Metrics of search by pairs for MMEngine's runner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log

from mmpersonsearch.evaluation.index.pairs import QueryResults
from mmpersonsearch.evaluation.pairs import evaluate_pair_search, evaluate_pair_searches, refuse_rankings
from mmpersonsearch.evaluation.predictions import read_pair_predictions, write_pair_predictions
from mmpersonsearch.evaluation.ranking_list import rank_pairs
from mmpersonsearch.registry import METRICS
from mmpersonsearch.structures import SearchProtocol
from mmpersonsearch.utils.errors import InputError

from .person_search import PersonSearchMetric, detection_metrics, warn_without_detections
from .search_results import SearchResultsMetric


class PairResultsMetric(SearchResultsMetric):
    """Metric of the results of search by pairs, which ``PairSearchLoop`` hands over whole.

    A subclass defines :meth:`measure` of a sequence of :class:`QueryResults`, one per query of the protocol.
    """

    def process(self, data_batch: Any, data_samples: Sequence[Sequence[QueryResults]]) -> None:
        """Take the one sequence of results; InputError where images' results come, as other loops have them."""
        if any(isinstance(one, dict) for one in data_samples):
            raise InputError(f"{type(self).__name__} is for search by pairs: test_cfg=dict(type='PairSearchLoop')")
        self.results.extend(data_samples)

    def compute_metrics(self, results: list[Sequence[QueryResults]]) -> dict[str, float]:
        """Measure the results; each rank has the same."""
        return self.measure(results[0])


@METRICS.register_module()
class PairSearchMetric(PairResultsMetric, PersonSearchMetric):
    """:class:`PersonSearchMetric` of search by pairs (QEEPS), with the same keys; rankings are refused.

    The detections of an image differ from query to query: the detection metrics are means over the queries of those in
    the images that a query was paired with. Queries whose images show no labelled person are left out of them.

    Args:
        kwargs: Arguments of :class:`PersonSearchMetric`.

    Raises:
        InputError: A ranking, which would need embeddings.
    """

    read = staticmethod(read_pair_predictions)
    evaluate_one = staticmethod(evaluate_pair_search)
    rank = staticmethod(rank_pairs)

    def __init__(self, **kwargs) -> None:
        refuse_rankings(kwargs.get("rankings", ()))
        super().__init__(**kwargs)

    def measure(self, results: Sequence[QueryResults]) -> dict[str, float]:
        """Compute metrics by key; called in the main process only."""
        protocol = self.search_protocol()
        searches = evaluate_pair_searches(protocol, results, self.det_thr, self.topk)
        warn_without_detections(results, self.det_thr)
        return self.report(searches, pair_detection_metrics(protocol, results, self.iou_thr, self.det_thr))

    def of_embeddings(self) -> PersonSearchMetric:
        """Return the metric of search by embeddings with the same thresholds and protocol."""
        metric = PersonSearchMetric(det_thr=self.det_thr, topk=self.topk, iou_thr=self.iou_thr)
        metric.dataset_meta = self.dataset_meta
        return metric


def pair_detection_metrics(
    protocol: SearchProtocol, results: Sequence[QueryResults], iou_thr: float = 0.5, det_thr: float = 0.5
) -> dict[str, float]:
    """Compute the means over the queries of :func:`detection_metrics` in the images that each was paired with.

    Raises:
        InputError: No query's images show a labelled person.
    """
    of_queries = []
    for found in results:
        detections = found.by_image(len(protocol.images))
        images = found.image_inds.tolist()
        scenes = [protocol.images[i] for i in images]
        if any((scene.person_ids >= 0).any() for scene in scenes):
            alone = SearchProtocol(scenes, [])
            of_queries.append(detection_metrics(alone, [detections[i] for i in images], iou_thr, det_thr))
    if not of_queries:
        raise InputError("detection: no query was paired with an image that shows a labelled person")
    return {key: float(np.mean([one[key] for one in of_queries])) for key in of_queries[0]}


class DumpPairPredictions(PairResultsMetric):
    """Metric that writes the results of search by pairs to a file instead of measuring.

    ``provenance`` has ``model`` and ``versions`` of :func:`mmpersonsearch.evaluation.predictions.write_predictions`.
    """

    def __init__(self, path: str, provenance: dict[str, Any]) -> None:
        super().__init__()
        self.path = path
        self.provenance = provenance

    def measure(self, results: Sequence[QueryResults]) -> dict[str, float]:
        """Write the results; there are no metrics."""
        protocol = self.search_protocol()
        img_ids = [scene.img_id for scene in protocol.images]
        write_pair_predictions(self.path, img_ids, list(results), {"data": dict(protocol.data), **self.provenance})
        print_log(f"Predictions of {len(results)} queries: {self.path}", "current")
        return {}
