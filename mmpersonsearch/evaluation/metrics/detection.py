"""How well persons are found, whoever they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.structures import InstanceData

from mmpersonsearch.evaluation.detection import evaluate_detections
from mmpersonsearch.registry import METRICS
from mmpersonsearch.structures import SearchProtocol

from .search_results import get_field, get_protocol, in_protocol_order

_FIELDS = ("bboxes", "scores")


def detection_figures(
    protocol: SearchProtocol, detections: Sequence[InstanceData], iou_thr: float = 0.5, det_thr: float = 0.5
) -> dict[str, float]:
    """AP and recall of all persons and of the labelled ones.

    Args:
        protocol: Its images hold the truth.
        detections: One an image of the protocol, in its order; see :func:`evaluate_detections`.
        iou_thr: Least IoU of a right detection.
        det_thr: Detections with a lower score are left out.

    Returns:
        ``ap``, ``recall``, ``labelled/ap``, ``labelled/recall``, in [0, 1].
    """
    images = protocol.images
    everyone = evaluate_detections([i.bboxes for i in images], detections, iou_thr, det_thr)
    labelled = [(i.bboxes[i.person_ids >= 0], d) for i, d in zip(images, detections)]
    # As in the public code images without a labelled person are skipped, with their detections.
    labelled = [(bboxes, d) for bboxes, d in labelled if len(bboxes)]
    known = evaluate_detections(*zip(*labelled), iou_thr, det_thr)
    return {
        "ap": everyone.ap,
        "recall": everyone.recall,
        "labelled/ap": known.ap,
        "labelled/recall": known.recall,
    }


def describe_detection(figures: dict[str, float]) -> str:
    """One line about what :func:`detection_figures` gave."""
    ap, recall, known_ap, known_recall = (
        f"{100 * figures[key]:.2f}" for key in ("ap", "recall", "labelled/ap", "labelled/recall")
    )
    return f"detection of all: AP {ap}, recall {recall}; of the labelled: AP {known_ap}, recall {known_recall}"


@METRICS.register_module()
class DetectionMetric(BaseMetric):
    """Detection figures of a test split alone, for a detector that does not embed persons.

    They are those of :class:`PersonSearchMetric`, under the same keys: ``detection/ap``, ``detection/recall``,
    ``detection/labelled/ap``, ``detection/labelled/recall``.

    Args:
        det_thr: Detections with a lower score are left out.
        iou_thr: Least IoU of a right detection.
        collect_device: ``'cpu'`` or ``'gpu'``: how results of several processes are gathered.
        collect_dir: Folder for gathering on the CPU; None for a temporary one.
    """

    default_prefix = "detection"

    def __init__(
        self,
        det_thr: float = 0.5,
        iou_thr: float = 0.5,
        collect_device: str = "cpu",
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, collect_dir=collect_dir)
        self.det_thr = det_thr
        self.iou_thr = iou_thr

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep what a detector found in a batch of test images.

        Args:
            data_batch: Not used.
            data_samples: Data samples as dicts, with ``img_id`` and ``pred_instances`` (``bboxes`` (n, 4), ``scores``
                (n,)).

        Raises:
            ValueError: A field is missing.
        """
        for sample in data_samples:
            img_id, predictions = sample["img_id"], sample.get("pred_instances", {})
            found = {name: get_field(predictions, name, "pred_instances", img_id) for name in _FIELDS}
            self.results.append({"img_id": img_id, **found})

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Figures of all images.

        Args:
            results: What ``process`` kept, of all processes. An image that a sampler gave out twice counts once.

        Returns:
            Figures by key, without the prefix.

        Raises:
            ValueError: Images without a result, results of an image that is not in the protocol.
        """
        protocol = get_protocol(self.dataset_meta)
        ordered = in_protocol_order(protocol, results)
        detections = [InstanceData(**{name: result[name] for name in _FIELDS}) for result in ordered]
        figures = detection_figures(protocol, detections, self.iou_thr, self.det_thr)
        print_log(f"In %, with score >= {self.det_thr}: {describe_detection(figures)}", "current")
        return figures
