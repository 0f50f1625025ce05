"""Keeps what a model found, for pictures and for evaluation afterwards."""

import pickle

from mmengine.logging import print_log

from mmpersonsearch.utils.files import write_whole

from .person_search_metric import PersonSearchMetric


class DumpPredictions(PersonSearchMetric):
    """Write detections and embeddings of all test images to a file in place of computing figures.

    The file is a pickle of a plain dict from ``img_id`` to a dict of NumPy arrays: ``bboxes`` (n, 4) xyxy in pixels of
    the original image, ``scores`` (n,), ``reid_feats`` (n, D), and for an image with queries ``query_ids`` (q,)
    (indices into the protocol's queries) and ``query_feats`` (q, D).

    Args:
        path: The file.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Write the file.

        Args:
            results: What ``process`` kept, of all processes. An image that a sampler gave out twice is written once.
        """
        images = {
            result["img_id"]: {name: value.numpy() for name, value in result.items() if name != "img_id"}
            for result in results
        }
        write_whole(self.path, pickle.dumps(images))
        print_log(f"Predictions of {len(images)} images: {self.path}", "current")
        return {}
