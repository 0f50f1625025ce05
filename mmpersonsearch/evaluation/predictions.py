"""Prediction files of a test split: detections and embeddings, or the results of search by pairs."""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.structures import SearchProtocol
from mmpersonsearch.utils.errors import InputError, damage_named
from mmpersonsearch.utils.files import describe_file, write_whole

from .index.pairs import QueryResults

FIELDS = ("bboxes", "scores", "reid_feats")


@dataclass
class Predictions:
    """Detections and embeddings of a test split.

    Attributes:
        detections: One per image of the protocol, in its order, with ``bboxes`` (n, 4) xyxy in pixels of the original
            image, ``scores`` (n,) and ``reid_feats`` (n, D).
        query_feats: (Q, D) embeddings of the protocol's queries; None if they were not read.
        provenance: Records of :mod:`mmpersonsearch.evaluation.provenance`, ``data``, ``model`` and ``versions``, those
            that are known.
    """

    detections: list[InstanceData]
    query_feats: Tensor | None
    provenance: dict[str, Any]

    @property
    def scores(self) -> list[Tensor]:
        """Detection scores, (n,) tensors."""
        return [one.scores for one in self.detections]

    @property
    def searched(self) -> tuple[list[InstanceData], Tensor]:
        """What :func:`evaluate_search` takes after the protocol."""
        return self.detections, self.query_feats


@dataclass
class PairPredictions:
    """Results of search by pairs: those of each query, and ``provenance`` as :class:`Predictions` has it."""

    results: list[QueryResults]
    provenance: dict[str, Any]

    @property
    def scores(self) -> list[Tensor]:
        """Detection scores, (n,) tensors."""
        return [one.scores for one in self.results]

    @property
    def searched(self) -> tuple[list[QueryResults]]:
        """What :func:`evaluate_pair_search` takes after the protocol."""
        return (self.results,)


def write_predictions(
    path: str | Path, images: Mapping[str | int, Mapping[str, np.ndarray]], provenance: Mapping[str, Any]
) -> None:
    """Write predictions as a pickle of plain data and NumPy arrays.

    Args:
        path: The file.
        images: Maps ``img_id`` to ``bboxes`` (n, 4), ``scores`` (n,) and, but for a detector without Re-ID,
            ``reid_feats`` (n, D), and for an image with queries ``query_ids`` (q,), indices into the protocol's
            queries, and ``query_feats`` (q, D).
        provenance: See :class:`Predictions`.
    """
    content = {"provenance": dict(provenance), "images": {img_id: dict(found) for img_id, found in images.items()}}
    write_whole(path, pickle.dumps(content, protocol=4))


def read_predictions(
    path: str | Path,
    protocol: SearchProtocol,
    allow_differences: bool = False,
    fields: Sequence[str] = FIELDS,
    det_thr: float | None = None,
) -> Predictions:
    """Read a file of :func:`write_predictions` for a test split; only plain data and arrays are unpickled.

    With ``allow_differences`` predictions for other annotation files than the protocol's are accepted. ``fields``
    without ``reid_feats`` also read those of a detector, without embeddings. ``det_thr`` is the least score of the
    detections that will be used, if known.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It is no prediction file, lacks fields, images or queries of the protocol, was written for other
            annotation files, or its model, by the file's record, left out detections of scores above ``det_thr``.
    """
    content = _load(Path(path), "images", "search by embeddings")
    images, provenance = content["images"], content["provenance"]
    with damage_named(path):
        _check_origin(path, provenance, protocol, allow_differences, det_thr)
        if lacking := [name for name in fields if any(name not in image for image in images.values())]:
            raise InputError(f"{path} has no {', '.join(lacking)}: a detector without Re-ID has written it")
        try:
            return Predictions(*in_protocol_order(protocol, images, fields), provenance)
        except InputError as error:
            raise InputError(f"{path}: {error}; was it written for this data set?") from None


def write_pair_predictions(
    path: str | Path, img_ids: Sequence[str | int], results: Sequence[QueryResults], provenance: Mapping[str, Any]
) -> None:
    """Write results of search by pairs, one per query, like :func:`write_predictions`.

    ``img_ids`` are those of the protocol's images, to which the results' ``image_inds`` refer.
    """
    queries = [{name: value.numpy() for name, value in vars(found).items()} for found in results]
    content = {"provenance": dict(provenance), "img_ids": list(img_ids), "queries": queries}
    write_whole(path, pickle.dumps(content, protocol=4))


def read_pair_predictions(
    path: str | Path, protocol: SearchProtocol, allow_differences: bool = False, det_thr: float | None = None
) -> PairPredictions:
    """Read a file of :func:`write_pair_predictions`; see :func:`read_predictions` for the arguments and the errors."""
    content = _load(Path(path), "queries", "search by pairs")
    with damage_named(path):
        return _pairs_in_protocol_order(path, content, protocol, allow_differences, det_thr)


def _pairs_in_protocol_order(
    path: str | Path, content: dict[str, Any], protocol: SearchProtocol, allow_differences: bool, det_thr: float | None
) -> PairPredictions:
    queries, provenance = content["queries"], content["provenance"]
    _check_origin(path, provenance, protocol, allow_differences, det_thr)
    places = {name: i for i, name in enumerate(content.get("img_ids", ()))}
    names = [scene.img_id for scene in protocol.images]
    if len(queries) != len(protocol.queries) or places.keys() != set(names):
        raise InputError(
            f"{path} is of {len(queries)} queries in {len(places)} images, the config's test split has "
            f"{len(protocol.queries)} in {len(names)}, or other images; was it written for this data set?"
        )
    own = torch.empty(len(names), dtype=torch.int64)
    own[[places[name] for name in names]] = torch.arange(len(names))
    results = [QueryResults(**{name: torch.as_tensor(value) for name, value in one.items()}) for one in queries]
    return PairPredictions([replace(found, image_inds=own[found.image_inds]) for found in results], provenance)


def _check_origin(
    path: str | Path,
    provenance: Mapping[str, Any],
    protocol: SearchProtocol,
    allow_differences: bool,
    det_thr: float | None,
) -> None:
    # A gallery of another size is another file, which predictions do not depend on.
    own = provenance.get("data", {})
    differing = [what for what in own if what in protocol.data and own[what] != protocol.data[what]]
    if differing and not allow_differences:
        what = differing[0]
        raise InputError(
            f"{path} was written for other data: {what} is {own[what]}, "
            f"the config's test split has {protocol.data[what]}"
        )
    score_thr = provenance.get("model", {}).get("score_thr", 0.0)
    if det_thr is not None and det_thr < score_thr:
        raise InputError(
            f"det_thr {det_thr} cannot act: the model of {path} left out detections below its own "
            f"model.test_cfg.rcnn.score_thr {score_thr}"
        )


def in_protocol_order(
    protocol: SearchProtocol, images: Mapping[str | int, Mapping[str, Any]], fields: Sequence[str] = FIELDS
) -> tuple[list[InstanceData], Tensor | None]:
    """Arrange results of images, in the form of :func:`write_predictions`, as the protocol does.

    Returns:
        Per image the ``fields`` of its detections, and (Q, D) embeddings of the queries, None if ``fields`` has no
        embeddings.

    Raises:
        InputError: Images or queries without a result, queries of other images.
    """
    if missing := [scene.img_id for scene in protocol.images if scene.img_id not in images]:
        raise InputError(f"{len(missing)} of {len(protocol.images)} images have no result: {_name_some(missing)}")
    found = [images[scene.img_id] for scene in protocol.images]
    detections = [InstanceData(**{name: torch.as_tensor(image[name]) for name in fields}) for image in found]
    if "reid_feats" not in fields:
        return detections, None
    feats, queries = {}, protocol.queries
    for scene, image in zip(protocol.images, found):
        own = [int(query_id) for query_id in image.get("query_ids", ())]
        valid = range(len(queries))
        if wrong := [q for q in own if q not in valid or queries[q].img_id != scene.img_id]:
            raise InputError(f"image {scene.img_id!r}: query_ids {_name_some(wrong)} are not this image's queries")
        feats.update(zip(own, torch.as_tensor(image.get("query_feats", ()))))
    if missing := [f"{i} (image {query.img_id!r})" for i, query in enumerate(queries) if i not in feats]:
        raise InputError(f"{len(missing)} queries have no embedding: {_name_some(missing)}")
    if not feats:
        raise InputError("the protocol has no queries")
    return detections, torch.stack([feats[i] for i in range(len(queries))])


def _name_some(names: list) -> str:
    """The first five of some names and their number, for a message."""
    shown = ", ".join(map(str, names[:5]))
    return shown if len(names) <= 5 else f"{shown}, ... ({len(names)} in all)"


def _load(path: Path, part: str, kind: str) -> dict[str, Any]:
    if path.is_dir():
        raise InputError(f"predictions {path}: it is a folder, expected a file (mmpersonsearch test ... --out)")
    if not path.is_file():
        raise FileNotFoundError(f"predictions {path} do not exist (mmpersonsearch test ... --out {path} writes them)")
    try:
        content = _PlainUnpickler(io.BytesIO(path.read_bytes())).load()
    except Exception as error:  # on damaged files, pickle and NumPy raise nearly everything
        what = describe_file(path)
        raise InputError(
            f"{path} is no file of predictions (mmpersonsearch test ... --out), it {what}: {error}"
        ) from None
    if isinstance(content, dict) and part not in content and {"images", "queries"} & set(content):
        other = "search by pairs (PairSearchMetric)" if "queries" in content else "search by embeddings"
        raise InputError(f"{path} holds predictions of {other}, expected those of {kind}")
    if not isinstance(content, dict) or not {part, "provenance"} <= set(content):
        raise InputError(f"{path} is no file of predictions: expected a dict with {part!r} and 'provenance'")
    return content


class _PlainUnpickler(pickle.Unpickler):
    """Unpickler of plain data and arrays of numbers; anything else might run the code of the file's writer."""

    _MODULES = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")  # the names of NumPy 1 and NumPy 2

    def find_class(self, module: str, name: str) -> Any:
        if module in self._MODULES and name in _ARRAY_PARTS:
            return _ARRAY_PARTS[name]
        raise pickle.UnpicklingError(f"it holds {module}.{name}, which is neither plain data nor an array")


class _NumberType:
    """The part of ``numpy.dtype`` that arrays of numbers need: a type, and the order of its bytes."""

    def __init__(self, name: str, *_: Any) -> None:
        self.dtype = np.dtype(name)
        if self.dtype.kind not in "biuf":
            raise pickle.UnpicklingError(f"it holds an array of {self.dtype}, expected numbers")

    def __setstate__(self, state: tuple) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array(np.ndarray):
    """Array that takes as many bytes as its shape needs for its state, no more and no less."""

    def __setstate__(self, state: tuple) -> None:
        version, shape, kind, by_columns, content = state
        if not isinstance(content, bytes) or len(content) != math.prod(shape) * kind.dtype.itemsize:
            raise pickle.UnpicklingError(f"it holds an array of shape {shape} without its numbers")
        super().__setstate__((version, shape, kind.dtype, by_columns, content))


def _empty_array(*_: Any) -> _Array:
    return np.empty(0).view(_Array)


def _number(kind: _NumberType, content: bytes) -> np.generic:
    return np.frombuffer(content, kind.dtype)[0]


# What takes the place of NumPy's own, which would allocate whatever a file asks for.
_ARRAY_PARTS = {"_reconstruct": _empty_array, "scalar": _number, "ndarray": "ndarray", "dtype": _NumberType}
