"""Indexes of a gallery's embeddings: exact, or approximate with a recall that is measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmpersonsearch.utils.errors import InputError

from .milvus import LIMIT
from .query import Query

EXACT = "FLAT"
INDEXES = (EXACT, "HNSW", "IVF_FLAT")
_EF = 200  # candidates of HNSW


def index_of(kind: str, number: int = 0) -> Any:
    """Make Milvus's parameters of an index, which suit a number of persons.

    Raises:
        InputError: The kind is none of ``INDEXES``.
    """
    from pymilvus.milvus_client.index import IndexParams

    lists = min(65536, max(16, round(4 * math.sqrt(number))))
    options = {EXACT: {}, "HNSW": dict(M=24, efConstruction=200), "IVF_FLAT": dict(nlist=lists)}
    if kind not in options:
        raise InputError(f"index {kind!r}: expected one of {', '.join(INDEXES)}")
    index = IndexParams()
    index.add_index("vector", index_type=kind, metric_type="IP", params=options[kind])
    return index


def search_params(index: dict[str, Any], limit: int, effort: int | None) -> dict[str, int]:
    """Return Milvus's parameters of a search for ``limit`` persons, by its description of an index."""
    if index["index_type"] == "HNSW":
        return dict(ef=max(limit, effort or _EF))
    if index["index_type"] == "IVF_FLAT":
        lists = int((index.get("params") or index)["nlist"])  # by a server, by Lite
        return dict(nprobe=min(lists, effort or max(8, lists // 16)))
    return {}


def replace_index(client: Any, name: str, kind: str, number: int) -> None:
    """Replace the index of a collection of ``number`` persons; what Milvus refuses leaves an exact one.

    Raises:
        InputError: There is no such index in this Milvus; the message names both.
    """
    index = index_of(kind, number)
    client.release_collection(name)
    client.drop_index(name, "vector")
    try:
        client.create_index(name, index)
        client.load_collection(name)
    except InputError as error:
        client.release_collection(name)
        if client.list_indexes(name):
            client.drop_index(name, "vector")
        client.create_index(name, index_of(EXACT))
        client.load_collection(name)
        version = client.get_server_version()
        raise InputError(f"index {kind} is not to be had in Milvus {version}, {EXACT} is used: {error}") from error


def find_nearest(
    gallery: Any, query: Query, number: int, condition: str, fields: Sequence[str], effort: int | None
) -> list[dict[str, Any]]:
    """Find the persons most similar to a query, descending, until they are of a number of pictures.

    Milvus's own grouping by a field, of versions 2.3 and Lite, groups a number of persons and leaves out pictures.
    """
    persons, images, last = [], {}, False
    while len(images) < number and not last:
        limit = min(LIMIT, 2 * (number - len(images)))
        others = f"image_id not in {list(images)}" if images else ""
        (found,) = gallery.client.search(
            gallery.persons,
            data=[query.feats.numpy()],
            limit=limit,
            filter=" and ".join(filter(None, (condition, others))),
            output_fields=list(fields),
            search_params=dict(metric_type="IP", params=search_params(gallery.index, limit, effort)),
        )
        persons += [dict(one["entity"]) for one in found]
        images |= dict.fromkeys(one["image_id"] for one in persons)
        last = len(found) < limit
    return persons


def measure_recall(gallery: Any, number: int, topk: int, effort: int | None) -> float:
    """Do what :meth:`Gallery.check_recall` says; see there for the arguments."""
    count = gallery.count()[1]
    if count == 0:
        raise InputError(f"{gallery.place}: a gallery without persons has no recall")
    first = min(2**63 - 1, 2**63 // count * 2 * number)  # ids are evenly spread
    rows = gallery.client.query(gallery.persons, filter=f"id <= {first}", output_fields=["vector"], limit=number)
    queries = np.array([row["vector"] for row in rows], dtype=np.float32)
    best = np.full((len(queries), topk), -np.inf, dtype=np.float32)
    for vectors in gallery.vectors():
        best = np.sort(np.hstack([best, queries @ vectors.T]))[:, -topk:]
    params = dict(metric_type="IP", params=search_params(gallery.index, topk, effort))
    found = gallery.client.search(gallery.persons, data=list(queries), limit=topk, search_params=params)
    least = best[:, -min(topk, count)] - 1e-5  # of equal ones any is right
    right = [sum(one["distance"] >= limit for one in hits) for hits, limit in zip(found, least)]
    return float(np.mean(right)) / min(topk, count)
