"""Base of the metrics: it collects what a model found in each test image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from mmengine.evaluator import BaseMetric
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.structures import SearchProtocol
from mmpersonsearch.utils.errors import InputError


class SearchResultsMetric(BaseMetric):
    """Metric of a test split with a protocol in ``dataset_meta['search_protocol']``.

    A subclass defines :meth:`measure`, or ``compute_metrics`` where it needs no order. MMEngine gathers the results of
    several processes; an image that a sampler gave out twice counts once.

    Attributes:
        fields: Fields of ``pred_instances`` that are kept; with ``'reid_feats'`` so are the embeddings of queries.

    Args:
        kwargs: Arguments of :class:`mmengine.evaluator.BaseMetric`: ``collect_device``, ``collect_dir``, ``prefix``.
    """

    default_prefix = ""  # keys carry their own prefixes
    fields: ClassVar[tuple[str, ...]] = ("bboxes", "scores", "reid_feats")

    def measure(self, detections: Sequence[InstanceData], query_feats: Tensor | None) -> dict[str, float]:
        """Compute the metrics; called in the main process only.

        Args:
            detections: One an image of the protocol, in its order, with the ``fields``.
            query_feats: (Q, D) embeddings of the protocol's queries; None where ``fields`` has no embeddings.

        Returns:
            Metrics by key.
        """
        raise NotImplementedError

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep what a model found in a batch of test images.

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
            self.results.append({"img_id": img_id, **result})

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Put the results of all processes into the protocol's order and measure.

        Raises:
            InputError: Images or queries without a result, results of an image that is not in the protocol.
        """
        protocol = self.search_protocol()
        ordered = _in_protocol_order(protocol, results)
        detections = [InstanceData(**{name: result[name] for name in self.fields}) for result in ordered]
        query_feats = _query_feats(protocol, ordered) if "reid_feats" in self.fields else None
        return self.measure(detections, query_feats)

    def search_protocol(self) -> SearchProtocol:
        """Return the protocol of the test split.

        Raises:
            InputError: There is none.
        """
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
    return torch.as_tensor(instances[name] if isinstance(instances, dict) else instances.get(name)).detach().cpu()


def _in_protocol_order(protocol: SearchProtocol, results: list[dict]) -> list[dict]:
    by_id = {}
    for result in results:
        by_id.setdefault(result["img_id"], result)
    strangers = [img_id for img_id in by_id if img_id not in protocol.image_index]
    if strangers:
        raise InputError(f"results of images that are not in the protocol: {_name_some(strangers)}")
    missing = [image.img_id for image in protocol.images if image.img_id not in by_id]
    if missing:
        raise InputError(f"{len(missing)} of {len(protocol.images)} images have no result: {_name_some(missing)}")
    return [by_id[image.img_id] for image in protocol.images]


def _query_feats(protocol: SearchProtocol, results: list[dict]) -> Tensor:
    """(Q, D) embeddings in the order of the protocol's queries."""
    feats = {}
    for result in results:
        own = result.get("query_ids", torch.zeros(0, dtype=torch.int64)).tolist()
        valid = range(len(protocol.queries))
        if wrong := [q for q in own if q not in valid or protocol.queries[q].img_id != result["img_id"]]:
            raise InputError(f"image {result['img_id']!r}: query_ids {_name_some(wrong)} are not this image's queries")
        feats.update(zip(own, result.get("query_feats", ())))
    if missing := [i for i in range(len(protocol.queries)) if i not in feats]:
        named = [f"{i} (image {protocol.queries[i].img_id!r})" for i in missing]
        raise InputError(f"{len(missing)} queries have no embedding: {_name_some(named)}")
    if not feats:
        raise InputError("the protocol has no queries")
    return torch.stack([feats[i] for i in range(len(protocol.queries))])


def _name_some(names: list) -> str:
    """The first five of some names and how many there are, for a message."""
    shown = ", ".join(map(str, names[:5]))
    return shown if len(names) <= 5 else f"{shown}, ... ({len(names)} in all)"
