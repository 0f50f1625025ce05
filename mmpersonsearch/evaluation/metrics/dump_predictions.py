"""Keeps what a model found, for pictures and for evaluation afterwards."""

from typing import Any

from mmengine.logging import print_log

from ..predictions import write_predictions
from .search_results import SearchResultsMetric


class DumpPredictions(SearchResultsMetric):
    """Write detections and embeddings of all test images to a file in place of computing metrics.

    See :func:`mmpersonsearch.evaluation.predictions.write_predictions` for its form.

    Args:
        path: The file.
        provenance: What is known of the model: ``model`` and ``versions``.
    """

    def __init__(self, path: str, provenance: dict[str, Any]) -> None:
        super().__init__()
        self.path = path
        self.provenance = provenance

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Write what ``process`` kept, of all processes."""
        images = {
            result["img_id"]: {name: value.numpy() for name, value in result.items() if name != "img_id"}
            for result in results
        }
        write_predictions(self.path, images, {"data": dict(self.search_protocol().data), **self.provenance})
        print_log(f"Predictions of {len(images)} images: {self.path}", "current")
        return {}
