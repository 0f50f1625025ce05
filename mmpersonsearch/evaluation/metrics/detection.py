"""Metrics of the detections, whatever the persons' identities."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.logging import print_log
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.evaluation.detection import evaluate_detections
from mmpersonsearch.registry import METRICS
from mmpersonsearch.structures import SearchProtocol

from .search_results import SearchResultsMetric


def detection_metrics(
    protocol: SearchProtocol, detections: Sequence[InstanceData], iou_thr: float = 0.5, det_thr: float = 0.5
) -> dict[str, float]:
    """Compute AP and recall of all persons and of the labelled ones; see :func:`evaluate_detections`.

    Returns:
        ``ap``, ``recall``, ``labelled/ap``, ``labelled/recall``, in [0, 1].
    """
    images = protocol.images
    everyone = evaluate_detections([i.bboxes for i in images], detections, iou_thr, det_thr)
    # As in the public code images without a labelled person are skipped, with their detections.
    labelled = [(i.bboxes[known], d) for i, d in zip(images, detections) if (known := i.person_ids >= 0).any()]
    known = evaluate_detections(*zip(*labelled), iou_thr, det_thr)
    metrics = {"ap": everyone.ap, "recall": everyone.recall}
    return metrics | {"labelled/ap": known.ap, "labelled/recall": known.recall}


def describe_detection(metrics: dict[str, float]) -> str:
    """Put the result of :func:`detection_metrics` into one line, in percent."""
    ap, recall, known_ap, known_recall = (f"{100 * value:.2f}" for value in metrics.values())
    return f"detection of all: AP {ap}, recall {recall}; of the labelled: AP {known_ap}, recall {known_recall}"


@METRICS.register_module()
class DetectionMetric(SearchResultsMetric):
    """The detection metrics of :class:`PersonSearchMetric` alone, for a detector that does not embed persons.

    The keys, ``detection/ap`` and so on, and the arguments are the same.
    """

    default_prefix = "detection"
    fields = ("bboxes", "scores")

    def __init__(self, det_thr: float = 0.5, iou_thr: float = 0.5, **kwargs) -> None:
        super().__init__(**kwargs)
        self.det_thr = det_thr
        self.iou_thr = iou_thr

    def measure(self, detections: Sequence[InstanceData], query_feats: Tensor | None) -> dict[str, float]:
        """See :meth:`SearchResultsMetric.measure`; keys come without the prefix."""
        metrics = detection_metrics(self.search_protocol(), detections, self.iou_thr, self.det_thr)
        print_log(f"In %, with score >= {self.det_thr}: {describe_detection(metrics)}", "current")
        return metrics
