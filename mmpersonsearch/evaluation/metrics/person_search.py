"""Metrics of person search and of its detections for MMEngine's runner."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from mmengine.logging import print_log
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.evaluation.detection import evaluate_detections
from mmpersonsearch.evaluation.index.pairs import QueryResults
from mmpersonsearch.evaluation.ranking_list import rank_gallery
from mmpersonsearch.evaluation.search import SearchResult, evaluate_search, evaluate_searches
from mmpersonsearch.registry import METRICS, RANKINGS
from mmpersonsearch.structures import SearchProtocol
from mmpersonsearch.utils.errors import InputError

from ..predictions import read_predictions
from ..provenance import describe_protocol
from ..rankings import BaseRanking
from .search_results import SearchResultsMetric


@METRICS.register_module()
class PersonSearchMetric(SearchResultsMetric):
    """Search and detection metrics of a test split, by the protocol in ``dataset_meta['search_protocol']``.

    The keys are ``person_search/mAP``, ``person_search/top-1``, ... for plain similarity,
    ``person_search/<ranking>/mAP``, ... for each ranking, and ``detection/ap``, ``detection/recall``,
    ``detection/labelled/ap``, ``detection/labelled/recall``; the values are in [0, 1]. Galleries of several sizes have
    the keys ``person_search/g<size>/mAP``, ``person_search/g<size>/<ranking>/mAP``, ...; keys without a size are the
    first's.

    Attributes:
        protocol_record: Record of :func:`mmpersonsearch.evaluation.provenance.describe_protocol`; None before
            :meth:`measure`, which runs in the main process only.

    Args:
        rankings: Rankings to report, as configs or built; None in the list is plain similarity. Names must differ.
        det_thr, topk: See :func:`evaluate_search`; ``det_thr`` holds for the detection metrics too.
        iou_thr: Least IoU of a match of the detection metrics.
        kwargs: Arguments of :class:`SearchResultsMetric`.

    ``read``, ``evaluate_one`` and ``rank`` are the functions of its predictions; a subclass has its own.

    Raises:
        InputError: Two rankings of one name, no ranking, an unknown one, or wrong parameters of one.
    """

    read = staticmethod(read_predictions)
    evaluate_one = staticmethod(evaluate_search)
    rank = staticmethod(rank_gallery)

    def __init__(
        self,
        rankings: Sequence[BaseRanking | dict | None] = (None,),
        det_thr: float = 0.5,
        topk: Sequence[int] = (1, 5, 10),
        iou_thr: float = 0.5,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.rankings = [_build_ranking(r) if isinstance(r, dict) else r for r in rankings]
        names = [None if r is None else r.name for r in self.rankings]
        if not names or len(set(names)) != len(names):
            raise InputError(
                "PersonSearchMetric: rankings must be at least one and of different names, "
                f"got {names}; a ranking's name is a parameter"
            )
        self.det_thr = det_thr
        self.topk = tuple(topk)
        self.iou_thr = iou_thr
        self.protocol_record: dict[str, Any] | None = None

    def measure(self, detections: Sequence[InstanceData], query_feats: Tensor) -> dict[str, float]:
        """See :meth:`SearchResultsMetric.measure`."""
        protocol = self.search_protocol()
        searches = evaluate_searches(protocol, detections, query_feats, self.det_thr, self.topk, self.rankings)
        warn_without_detections(detections, self.det_thr)
        return self.report(searches, detection_metrics(protocol, detections, self.iou_thr, self.det_thr))

    def report(self, searches: list[SearchResult], detection: dict[str, float]) -> dict[str, float]:
        """Log and record results of all searches and of :func:`detection_metrics`; returns the metrics by key."""
        protocol = self.search_protocol()
        metrics = {}
        for result in searches:
            sizes = [f"g{result.gallery}/"] if protocol.galleries.sizes else []
            sizes += [""] if result.gallery == searches[0].gallery else []
            ranking = "" if result.ranking is None else f"{result.ranking}/"
            for prefix in (f"person_search/{size}{ranking}" for size in sizes):
                metrics[f"{prefix}mAP"] = result.mAP
                metrics.update({f"{prefix}top-{k}": value for k, value in result.topk.items()})
        metrics.update({f"detection/{key}": value for key, value in detection.items()})
        self.protocol_record = describe_protocol(protocol, searches, self.rankings, self.det_thr, self.iou_thr)
        self._log(searches, detection)
        return metrics

    def _log(self, searches: list[SearchResult], detection: dict[str, float]) -> None:
        header = ["gallery", "ranking", "queries", "skipped", "mAP", *(f"top-{k}" for k in self.topk)]
        rows = []
        for r in searches:
            percents = [f"{100 * value:.2f}" for value in (r.mAP, *(r.topk[k] for k in self.topk))]
            rows.append([str(r.gallery), r.ranking or "similarity", str(r.num_queries), str(r.num_skipped), *percents])
        widths = [max(map(len, column)) for column in zip(header, *rows)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in (header, *rows)]
        lines += [describe_detection(detection), *_protocol_lines(self.protocol_record)]
        title = f"{self.search_protocol().class_name.capitalize()} search"
        title += "" if self.data_set is None else f", {self.data_set}"
        print_log(f"{title} (%, detections with score >= {self.det_thr})\n" + "\n".join(lines), "current")


@METRICS.register_module()
class DetectionMetric(SearchResultsMetric):
    """The detection metrics of :class:`PersonSearchMetric` alone, for a detector that does not embed persons.

    The keys, ``detection/ap`` and so on, and the arguments are the same.
    """

    fields = ("bboxes", "scores")

    def __init__(self, det_thr: float = 0.5, iou_thr: float = 0.5, **kwargs) -> None:
        super().__init__(**kwargs)
        self.det_thr = det_thr
        self.iou_thr = iou_thr

    def measure(self, detections: Sequence[InstanceData], query_feats: Tensor | None) -> dict[str, float]:
        """See :meth:`SearchResultsMetric.measure`."""
        metrics = detection_metrics(self.search_protocol(), detections, self.iou_thr, self.det_thr)
        start = "In" if self.data_set is None else f"{self.data_set}, in"
        print_log(f"{start} %, with score >= {self.det_thr}: {describe_detection(metrics)}", "current")
        warn_without_detections(detections, self.det_thr)
        return {f"detection/{key}": value for key, value in metrics.items()}


def detection_metrics(
    protocol: SearchProtocol, detections: Sequence[InstanceData], iou_thr: float = 0.5, det_thr: float = 0.5
) -> dict[str, float]:
    """Compute AP and recall of all persons and of the labelled ones; see :func:`evaluate_detections`.

    Returns:
        ``ap``, ``recall``, ``labelled/ap``, ``labelled/recall``, in [0, 1].
    """
    images = protocol.images
    ignored = [i.ignored_bboxes for i in images]
    everyone = evaluate_detections([i.bboxes for i in images], detections, iou_thr, det_thr, ignored)
    # As in the public code images without a labelled person are skipped, with their detections.
    labelled = [(i, d) for i, d in zip(images, detections) if (i.person_ids >= 0).any()]
    known = evaluate_detections(
        [i.bboxes[i.person_ids >= 0] for i, _ in labelled],
        [d for _, d in labelled],
        iou_thr,
        det_thr,
        [i.ignored_bboxes for i, _ in labelled],
    )
    metrics = {"ap": everyone.ap, "recall": everyone.recall}
    return metrics | {"labelled/ap": known.ap, "labelled/recall": known.recall}


def describe_detection(metrics: dict[str, float]) -> str:
    """Put the result of :func:`detection_metrics` into one line, in percent."""
    ap, recall, known_ap, known_recall = (f"{100 * value:.2f}" for value in metrics.values())
    return f"detection of all: AP {ap}, recall {recall}; of the labelled: AP {known_ap}, recall {known_recall}"


def warn_without_detections(detections: Sequence[InstanceData | QueryResults], det_thr: float) -> None:
    """Log a warning if no detection has a score of at least ``det_thr``, so that all metrics are 0."""
    highest = max((d.scores.max().item() for d in detections if len(d.scores)), default=None)
    if highest is None:
        print_log("The model detected nothing: all metrics are 0", "current", logging.WARNING)
    elif highest < det_thr:
        message = f"No detection has score >= {det_thr}, the highest is {highest:.3g}: all metrics are 0"
        print_log(message, "current", logging.WARNING)


def _protocol_lines(record: dict[str, Any]) -> list[str]:
    data = ", ".join(f"{what} {fact}" for what, fact in record["data"].items()) or "not known"
    rankings = "; ".join(
        f"{name} = {facts['type']}({', '.join(f'{k}={v}' for k, v in facts.items() if k not in ('type', 'name'))})"
        for name, facts in record["rankings"].items()
    )
    return [
        f"protocol: {record['num_images']} images, {record['num_queries']} queries, galleries {record['galleries']}, "
        f"search {record['search_iou']}, detection {record['detection_iou']}",
        f"data: {data}",
        *([f"rankings: {rankings}"] if rankings else []),
    ]


def _build_ranking(config: dict) -> BaseRanking:
    if RANKINGS.get(config["type"]) is None:
        known = sorted(RANKINGS.module_dict)
        raise InputError(f"PersonSearchMetric: there is no ranking {config['type']!r}, expected one of {known}")
    try:
        return RANKINGS.build(config)
    except TypeError as error:
        raise InputError(f"PersonSearchMetric: {config}: {error}") from error
