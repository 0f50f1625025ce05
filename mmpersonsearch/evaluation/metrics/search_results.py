"""Base of the metrics, which collects detections and embeddings of all test images."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.structures import SearchProtocol
from mmpersonsearch.utils.errors import InputError

from ..predictions import in_protocol_order, write_predictions


class SearchResultsMetric(BaseMetric):
    """Metric of a test split with a protocol in ``dataset_meta['search_protocol']``.

    A subclass defines :meth:`measure`, or :meth:`compute_of_one` where it needs no order. MMEngine gathers the results
    of all ranks; an image that a sampler repeats counts once.

    Of a joint test split (:class:`mmpersonsearch.datasets.JointPersonSearchDataset`) each data set is measured by its
    own protocol, by a copy of this metric, and its name goes in front of the keys: ``prw/person_search/mAP``.

    Attributes:
        fields: Fields of ``pred_instances`` that are kept; with ``'reid_feats'`` so are the embeddings of queries.
        by_data_set: The copies by name, after a joint test split was measured in the main process; else None.
        data_set: Of a copy, the name of its data set.

    Args:
        kwargs: Arguments of :class:`mmengine.evaluator.BaseMetric`: ``collect_device``, ``collect_dir``, ``prefix``.
    """

    default_prefix = ""  # keys carry their own prefixes
    fields: tuple[str, ...] = ("bboxes", "scores", "reid_feats")
    by_data_set: dict[str, SearchResultsMetric] | None = None
    data_set: str | None = None

    def measure(self, detections: Sequence[InstanceData], query_feats: Tensor | None) -> dict[str, float]:
        """Compute metrics by key; called in the main process only.

        Args:
            detections: One per image of the protocol, in its order, with the ``fields``.
            query_feats: (Q, D) embeddings of the protocol's queries; None if ``fields`` has no embeddings.
        """
        raise NotImplementedError

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Collect the results of a batch of test images.

        Data samples have ``img_id``, ``pred_instances`` (``bboxes`` (n, 4), ``scores`` (n,), ``reid_feats`` (n, D))
        and, where the image has queries, ``query_instances`` (``query_ids`` (q,) indices into the protocol's queries,
        ``reid_feats`` (q, D)). Without a field InputError is raised.
        """
        for sample in data_samples:
            img_id = sample["img_id"]
            found = sample.get("pred_instances", {})
            result = {name: _get_field(found, name, "pred_instances", img_id) for name in self.fields}
            queries = sample.get("query_instances")
            if "reid_feats" in self.fields and queries is not None:
                query_ids = _get_field(queries, "query_ids", "query_instances", img_id)
                if len(query_ids):
                    feats = _get_field(queries, "reid_feats", "query_instances", img_id)
                    result.update(query_ids=query_ids, query_feats=feats)
            self.results.append({"img_id": img_id, "data_set": sample.get("data_set"), **result})

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Measure the results of all ranks, each data set's apart; InputError where they do not fit a protocol."""
        metas = (self.dataset_meta or {}).get("data_sets")
        if metas is None:
            return self.compute_of_one(results)
        if any(result["data_set"] not in metas for result in results):
            raise InputError(
                "results do not name their data set: meta_keys of the test pipeline's PackPersonSearchInputs needs "
                "'data_set'"
            )
        self.by_data_set = {name: self.of_data_set(name, meta) for name, meta in metas.items()}
        metrics = {}
        for name, metric in self.by_data_set.items():
            own = metric.compute_of_one([result for result in results if result["data_set"] == name])
            metrics.update({f"{name}/{key}": value for key, value in own.items()})
        return metrics

    def of_data_set(self, name: str, meta: dict[str, Any]) -> SearchResultsMetric:
        """Return a copy of this metric for one of a joint test split's data sets, of which ``meta`` is the metainfo."""
        metric = copy.copy(self)
        metric.data_set, metric.dataset_meta = name, meta
        return metric

    def compute_of_one(self, results: list[dict]) -> dict[str, float]:
        """Measure the results of one data set; InputError where they do not fit its protocol."""
        protocol = self.search_protocol()
        by_id = {result["img_id"]: result for result in reversed(results)}  # the first of several
        if strangers := sorted(by_id.keys() - protocol.image_index.keys(), key=str):
            raise InputError(f"results of {len(strangers)} images that are not in the protocol: {strangers[0]}")
        return self.measure(*in_protocol_order(protocol, by_id, self.fields))

    def search_protocol(self) -> SearchProtocol:
        """Return the protocol of the test split; InputError where there is none."""
        protocol = (self.dataset_meta or {}).get("search_protocol")
        if not isinstance(protocol, SearchProtocol):
            raise InputError(
                "dataset_meta['search_protocol'] must be a SearchProtocol, "
                f"got {type(protocol).__name__}; is this a test split?"
            )
        return protocol


def _get_field(instances: dict | InstanceData, name: str, where: str, img_id: str | int) -> Tensor:
    """A field of an image's instances, as a tensor on the CPU."""
    if name not in instances:
        raise InputError(f"results of image {img_id!r}: {where} lacks {name}")
    return torch.as_tensor(instances.get(name)).detach().cpu()


class DumpPredictions(SearchResultsMetric):
    """Metric that writes the detections and embeddings of all test images to a file instead of measuring.

    Of a joint test split each data set has a file of its own, ``<path's stem>_<name>``.
    ``provenance`` has ``model`` and ``versions`` of :func:`mmpersonsearch.evaluation.predictions.write_predictions`.
    ``fields`` are those of the metric beside it.
    """

    def __init__(
        self, path: str, provenance: dict[str, Any], fields: tuple[str, ...] = SearchResultsMetric.fields
    ) -> None:
        super().__init__()
        self.fields = fields
        self.path = path
        self.provenance = provenance

    def of_data_set(self, name: str, meta: dict[str, Any]) -> SearchResultsMetric:
        """See :meth:`SearchResultsMetric.of_data_set`."""
        metric = super().of_data_set(name, meta)
        path = Path(self.path)
        metric.path = str(path.with_name(f"{path.stem}_{name}{path.suffix}"))
        return metric

    def compute_of_one(self, results: list[dict]) -> dict[str, float]:
        """Write the results of all ranks; there are no metrics."""
        images = {
            result["img_id"]: {k: value.numpy() for k, value in result.items() if isinstance(value, Tensor)}
            for result in results
        }
        write_predictions(self.path, images, {"data": dict(self.search_protocol().data), **self.provenance})
        print_log(f"Predictions of {len(images)} images: {self.path}", "current")
        return {}
