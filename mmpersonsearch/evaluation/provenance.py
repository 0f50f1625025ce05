"""Records of what metrics depend on, so that only like is compared with like."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from mmpersonsearch.evaluation.search import SearchResult
from mmpersonsearch.structures import Listed, SearchProtocol
from mmpersonsearch.utils.files import digest_files

from .rankings import BaseRanking

# A true positive of the search; w and h are the true box's sides in pixels.
SEARCH_IOU_RULE = "IoU >= min(0.5, w * h / ((w + 10) * (h + 10)))"
_PACKAGES = ("mmpersonsearch", "torch", "numpy", "mmengine", "mmcv", "mmdet", "mmpretrain")


def describe_protocol(
    protocol: SearchProtocol,
    searches: Sequence[SearchResult],
    rankings: Sequence[BaseRanking | None],
    det_thr: float,
    iou_thr: float,
) -> dict[str, Any]:
    """Describe all that search and detection metrics depend on beside the model, as plain data.

    ``searches`` are the results of all galleries and rankings; for the other arguments see
    :class:`mmpersonsearch.evaluation.metrics.PersonSearchMetric`.
    """
    galleries = protocol.galleries
    return {
        "data": dict(protocol.data),
        "num_images": len(protocol.images),
        "num_queries": len(protocol.queries),
        "galleries": list(galleries.sizes) if isinstance(galleries, Listed) else galleries.name,
        "queries_left_out": {str(result.gallery): result.num_left_out for result in searches},
        "det_thr": det_thr,
        "search_iou": SEARCH_IOU_RULE,
        "detection_iou": f"IoU >= {iou_thr}",
        "rankings": {ranking.name: ranking.describe() for ranking in rankings if ranking is not None},
    }


def describe_model(config_text: str, config_name: str, checkpoint: str | None) -> dict[str, str]:
    """Describe which model was tested.

    Args:
        config_text: The whole config, as ``Config.pretty_text``.
        config_name: Its file.
        checkpoint: File of the weights; an address or None has no fingerprint.

    Returns:
        Names and fingerprints.
    """
    digest = hashlib.sha256(config_text.encode()).hexdigest()[:16]
    facts = {"config": config_name, "config_digest": f"sha256:{digest}", "checkpoint": str(checkpoint)}
    if checkpoint is not None and "://" not in str(checkpoint):
        facts["checkpoint_digest"] = digest_files([checkpoint])
    return facts


def describe_versions() -> dict[str, str]:
    """Return the versions of the packages that metrics may depend on, those that are installed."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = str(importlib.import_module(name).__version__)
        except ImportError:  # evaluation works without the packages of the models
            continue
    return versions


def protocol_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Say where two records of :func:`describe_protocol` differ.

    Rankings of one name must have equal parameters; one that only one of them has is no difference.

    Args:
        first: A protocol.
        second: Another.

    Returns:
        One line a difference, such as ``'det_thr: 0.5 and 0.3'``; empty where the metrics can be compared.
    """
    lines = [
        f"{name}: {first.get(name)!r} and {second.get(name)!r}"
        for name in dict.fromkeys([*first, *second])
        if name not in ("data", "rankings") and first.get(name) != second.get(name)
    ]
    for part, is_needed in (("data", True), ("rankings", False)):
        a, b = first.get(part, {}), second.get(part, {})
        names = dict.fromkeys([*a, *b]) if is_needed else [name for name in a if name in b]
        lines += [
            f"{part}, {name}: {a.get(name)!r} and {b.get(name)!r}" for name in names if a.get(name) != b.get(name)
        ]
    return lines
