"""Records of what metrics depend on (protocol, model, versions), and ``result.json`` files that hold them."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmpersonsearch.evaluation.search import SearchResult
from mmpersonsearch.structures import Listed, SearchProtocol
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import digest_files, read_json_file

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
    """Describe what search and detection metrics depend on besides the model, as plain data.

    ``searches`` are the results of all galleries and rankings; for the other arguments see
    :class:`mmpersonsearch.evaluation.metrics.PersonSearchMetric`.
    """
    galleries = protocol.galleries
    return {
        "data": dict(protocol.data),
        "num_images": len(protocol.images),
        "num_queries": len(protocol.queries),
        "galleries": list(galleries.sizes) if isinstance(galleries, Listed) else galleries.name,
        "queries_left_out": {str(result.gallery): result.num_skipped for result in searches},
        "det_thr": det_thr,
        "search_iou": SEARCH_IOU_RULE,
        "detection_iou": f"IoU >= {iou_thr}",
        "rankings": {r.name: {"type": type(r).__name__, **vars(r)} for r in rankings if r is not None},
    }


def describe_model(
    config: Mapping[str, Any], config_name: str, checkpoint: str | None, score_thr: float = 0.0
) -> dict[str, str | float]:
    """Describe the tested model by names and fingerprints.

    ``config`` is the whole config; a checkpoint that is a URL or None has no fingerprint;
    ``score_thr`` is the score below which the model itself leaves out detections.
    """
    digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=repr).encode()).hexdigest()[:16]
    facts = {"config": config_name, "config_digest": f"sha256:{digest}", "checkpoint": str(checkpoint)}
    facts["score_thr"] = score_thr
    if checkpoint is not None and "://" not in str(checkpoint):
        facts["checkpoint_digest"] = digest_files([checkpoint])
    return facts


def describe_versions() -> dict[str, str]:
    """Return the versions of the packages that metrics may depend on, those that are installed."""
    versions = {}
    for name in _PACKAGES:
        with suppress(ImportError):  # evaluation works without the packages of the models
            versions[name] = str(importlib.import_module(name).__version__)
    return versions


def protocol_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """List the differences of two records of :func:`describe_protocol`, such as ``'det_thr: 0.5 and 0.3'``.

    Rankings of one name must have equal parameters; a ranking in only one record is no difference.
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


def check_protocols(results: dict[str, dict[str, Any]]) -> None:
    """Check that all results, given by name, have the protocol of the first.

    Raises:
        InputError: One does not; names both and lists the differences.
    """
    (first_name, first), *others = results.items()
    for name, result in others:
        if differences := protocol_differences(first["protocol"], result["protocol"]):
            raise InputError(
                f"{first_name} and {name} were evaluated by different protocols "
                "(--allow-different-protocols compares anyway):\n  " + "\n  ".join(differences)
            )


def read_result(path: str | Path, needs_protocol: bool = True) -> dict[str, Any]:
    """Read a ``result.json`` of ``mmpersonsearch test`` or ``mmpersonsearch eval``.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It holds no metrics, or, where it is needed, no record of its protocol.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"result {path} does not exist")
    result = read_json_file(path)
    if not isinstance(result, dict):
        raise InputError(f"{path} holds no metrics, expected a result.json of mmpersonsearch test")
    if needs_protocol and "protocols" in result:
        raise InputError(
            f"{path} is of several data sets ({', '.join(result['protocols'])}), expected a result of one: "
            "mmpersonsearch eval PREDICTIONS.pkl CONFIG --data-set NAME --out RESULT.json writes it"
        )
    if needs_protocol and "protocol" not in result:
        raise InputError(f"{path} has no record of its protocol, expected a result.json of mmpersonsearch test")
    return result
