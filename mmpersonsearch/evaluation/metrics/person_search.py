"""The metric that a runner calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.evaluation.search import SearchResult, evaluate_searches
from mmpersonsearch.registry import METRICS, RANKINGS
from mmpersonsearch.structures import SearchProtocol

from ..provenance import describe_protocol
from ..rankings import BaseRanking
from .detection import describe_detection, detection_figures
from .search_results import get_field, get_protocol, in_protocol_order, name_some

_FIELDS = ("bboxes", "scores", "reid_feats")


@METRICS.register_module()
class PersonSearchMetric(BaseMetric):
    """Search and detection figures of a test split, by the protocol in ``dataset_meta['search_protocol']``.

    Reported are ``person_search/mAP``, ``person_search/top-1``, ... for plain similarity,
    ``person_search/<ranking>/mAP``, ... for each ranking, and ``detection/ap``, ``detection/recall``,
    ``detection/labelled/ap``, ``detection/labelled/recall``, all in [0, 1]. A protocol with galleries of several
    sizes gives ``person_search/g<size>/mAP``, ``person_search/g<size>/<ranking>/mAP``, ... for each, and the keys
    without a size for the first.

    Attributes:
        protocol_record: What the figures depend on (:func:`mmpersonsearch.evaluation.provenance.describe_protocol`);
            None before ``compute_metrics``, which runs in the main process only.

    Args:
        rankings: Rankings to report, as configs or built; None in the list is plain similarity. Names must differ.
        det_thr: Detections with a lower score are left out, of search and detection figures alike.
        topk: The k's of top-k.
        iou_thr: Least IoU of a right detection.
        collect_device: ``'cpu'`` or ``'gpu'``: how results of several processes are gathered.
        collect_dir: Folder for gathering on the CPU; None for a temporary one.
        prefix: Put before all keys, with a slash.

    Raises:
        ValueError: Two rankings of one name, or none at all; a ranking that does not exist, or its bad parameters.
    """

    def __init__(
        self,
        rankings: Sequence[BaseRanking | dict | None] = (None,),
        det_thr: float = 0.5,
        topk: Sequence[int] = (1, 5, 10),
        iou_thr: float = 0.5,
        collect_device: str = "cpu",
        collect_dir: str | None = None,
        prefix: str | None = None,
    ) -> None:
        # The keys carry their own prefixes; MMEngine warns of a metric without one.
        super().__init__(collect_device=collect_device, collect_dir=collect_dir, prefix=prefix or "person_search")
        self.prefix = prefix
        self.rankings = [_build_ranking(r) if isinstance(r, dict) else r for r in rankings]
        names = [_ranking_name(r) for r in self.rankings]
        if not names or len(set(names)) != len(names):
            raise ValueError(
                "PersonSearchMetric: rankings must be at least one and of different names, "
                f"got {names}; a ranking's name is a parameter"
            )
        self.det_thr = det_thr
        self.topk = tuple(topk)
        self.iou_thr = iou_thr
        self.protocol_record: dict[str, Any] | None = None

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep what a model found in a batch of test images.

        Args:
            data_batch: Not used.
            data_samples: Data samples as dicts, with ``img_id``, ``pred_instances`` (``bboxes`` (n, 4), ``scores``
                (n,), ``reid_feats`` (n, D)) and, where the image has queries, ``query_instances`` (``query_ids`` (q,)
                indices into the protocol's queries, ``reid_feats`` (q, D)).

        Raises:
            ValueError: A field is missing.
        """
        for sample in data_samples:
            img_id = sample["img_id"]
            result = {"img_id": img_id}
            predictions = sample.get("pred_instances", {})
            for name in _FIELDS:
                result[name] = get_field(predictions, name, "pred_instances", img_id)
            queries = sample.get("query_instances")
            if queries is not None and len(get_field(queries, "query_ids", "query_instances", img_id)):
                result["query_ids"] = get_field(queries, "query_ids", "query_instances", img_id)
                result["query_feats"] = get_field(queries, "reid_feats", "query_instances", img_id)
            self.results.append(result)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Figures of all images.

        Args:
            results: What ``process`` kept, of all processes. An image that a sampler gave out twice counts once.

        Returns:
            Figures by key.

        Raises:
            ValueError: Images or queries without a result, results of an image that is not in the protocol.
        """
        protocol = self.search_protocol()
        ordered = in_protocol_order(protocol, results)
        detections = [InstanceData(**{name: result[name] for name in _FIELDS}) for result in ordered]
        return self.compute_figures(detections, _query_feats(protocol, ordered))

    def compute_figures(self, detections: Sequence[InstanceData], query_feats: Tensor) -> dict[str, float]:
        """The same from detections and embeddings that are in order already.

        Args:
            detections: One an image, see :func:`mmpersonsearch.evaluation.evaluate_search`.
            query_feats: (Q, D) embeddings of the queries.

        Returns:
            Figures by key.
        """
        protocol = self.search_protocol()
        searches = evaluate_searches(
            protocol, detections, query_feats, det_thr=self.det_thr, topk=self.topk, rankings=self.rankings
        )
        metrics = {}
        for result in searches:
            metrics.update(self._search_figures(result, protocol, first=searches[0].gallery))
        detection = detection_figures(protocol, detections, self.iou_thr, self.det_thr)
        metrics.update({f"detection/{key}": value for key, value in detection.items()})
        self.protocol_record = describe_protocol(protocol, searches, self.rankings, self.det_thr, self.iou_thr)
        self._log(searches, detection)
        return metrics

    def search_protocol(self) -> SearchProtocol:
        """The protocol of the test split.

        Raises:
            ValueError: The data set has none.
        """
        return get_protocol(self.dataset_meta)

    def _search_figures(self, result: SearchResult, protocol: SearchProtocol, first: str | int) -> dict[str, float]:
        values = {"mAP": result.mAP, **{f"top-{k}": share for k, share in result.topk.items()}}
        stem = "" if result.ranking is None else f"{result.ranking}/"
        sizes = [f"g{result.gallery}/"] if isinstance(protocol.galleries, dict) else []
        if result.gallery == first:
            sizes.append("")
        return {f"person_search/{size}{stem}{key}": value for size in sizes for key, value in values.items()}

    def _log(self, searches: list[SearchResult], detection: dict[str, float]) -> None:
        header = ["gallery", "ranking", "queries", "left out", "mAP", *(f"top-{k}" for k in self.topk)]
        rows = [
            [
                str(r.gallery),
                r.ranking or "similarity",
                str(r.num_queries),
                str(r.num_left_out),
                *(f"{100 * value:.2f}" for value in (r.mAP, *(r.topk[k] for k in self.topk))),
            ]
            for r in searches
        ]
        widths = [max(map(len, column)) for column in zip(header, *rows)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in (header, *rows)]
        lines += [describe_detection(detection), *_protocol_lines(self.protocol_record)]
        title = f"{self.search_protocol().class_name.capitalize()} search"
        print_log(f"{title} (%, detections with score >= {self.det_thr})\n" + "\n".join(lines), "current")


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
        raise ValueError(f"PersonSearchMetric: there is no ranking {config['type']!r}, expected one of {known}")
    return RANKINGS.build(config)


def _ranking_name(ranking: BaseRanking | None) -> str | None:
    return None if ranking is None else ranking.name


def _query_feats(protocol: SearchProtocol, results: list[dict]) -> Tensor:
    with_queries = [result for result in results if "query_ids" in result]
    query_ids = torch.cat([torch.zeros(0, dtype=torch.int64), *(r["query_ids"] for r in with_queries)])
    for result in with_queries:
        valid = range(len(protocol.queries))
        wrong = [
            q for q in result["query_ids"].tolist() if q not in valid or protocol.queries[q].img_id != result["img_id"]
        ]
        if wrong:
            raise ValueError(
                f"PersonSearchMetric: image {result['img_id']!r}: "
                f"query_ids {name_some(wrong)} are not this image's queries"
            )
    found = torch.bincount(query_ids, minlength=len(protocol.queries))
    missing = torch.nonzero(found == 0).flatten().tolist()
    if missing:
        named = [f"{i} (image {protocol.queries[i].img_id!r})" for i in missing]
        raise ValueError(f"PersonSearchMetric: {len(missing)} queries have no embedding: {name_some(named)}")
    if not with_queries:
        raise ValueError("PersonSearchMetric: the protocol has no queries")
    feats = torch.cat([result["query_feats"] for result in with_queries])
    ordered = torch.empty(len(protocol.queries), feats.shape[1], dtype=feats.dtype)
    ordered[query_ids] = feats
    return ordered
