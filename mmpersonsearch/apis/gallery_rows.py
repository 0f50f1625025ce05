"""Rows and tables of a gallery in Milvus."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.structures import InstanceData

from .gallery_index import EXACT, index_of
from .search import NO_TIME

_PAGE = 10_000  # rows
FIELDS = ("id", "image_id", "image", "x1", "y1", "x2", "y2", "score", "camera", "time")  # of a person, but the vector


@dataclass
class Scene:
    """A picture with its persons, as it is added to a gallery.

    Attributes:
        image: Path relative to the archive's root, with ``#t=`` for a frame of a video.
        size: Of the file in bytes.
        mtime: Of the file in nanoseconds.
        bboxes: (n, 4) persons, xyxy in pixels.
        scores: (n,) of the detections.
        feats: (n, D) embeddings, L2-normalized.
        camera: Empty where there is none.
        time: In seconds since 1970 or since a video's start; None where it is not known.
    """

    image: str
    size: int
    mtime: int
    bboxes: np.ndarray
    scores: np.ndarray
    feats: np.ndarray
    camera: str = ""
    time: float | None = None


def create_tables(client: Any, persons: str, images: str, width: int, properties: dict[str, str]) -> None:
    """Create the two collections of a gallery; ``width`` is that of the embeddings."""
    from pymilvus import DataType, MilvusClient

    numbers = dict(image_id=DataType.INT64, batch=DataType.INT64, score=DataType.FLOAT, time=DataType.DOUBLE)
    corners = dict.fromkeys(("x1", "y1", "x2", "y2"), DataType.FLOAT)
    files = dict.fromkeys(("size", "mtime", "persons", "batch"), DataType.INT64)
    # Milvus asks for a vector in each collection.
    tables = {persons: (width, {**numbers, **corners}), images: (2, {**files, "time": DataType.DOUBLE})}
    for name, (dim, fields) in tables.items():
        if client.has_collection(name):  # the pictures' is made last: what another one holds is of no gallery
            client.drop_collection(name)
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
        schema.add_field("image", DataType.VARCHAR, max_length=4096)
        schema.add_field("camera", DataType.VARCHAR, max_length=256)
        for field, kind in fields.items():
            schema.add_field(field, kind)
        options = dict(properties=properties, consistency_level="Strong")
        client.create_collection(name, schema=schema, index_params=index_of(EXACT), **options)


def image_id(image: str) -> int:
    """Return the 63-bit number of a picture's name."""
    return int.from_bytes(hashlib.blake2b(image.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "big") >> 1


def person_ids(image: str, number: int) -> list[int]:
    """Return the numbers of a picture's persons."""
    return [image_id(f"{image}\0{i}") for i in range(number)]


def image_row(scene: Scene, batch: int) -> dict[str, Any]:
    """Make the row of a picture; ``batch`` is the number of the call that adds it."""
    moment = NO_TIME if scene.time is None else float(scene.time)
    files = dict(size=int(scene.size), mtime=int(scene.mtime), persons=len(scene.scores))
    names = dict(id=image_id(scene.image), image=scene.image, camera=scene.camera)
    return dict(**names, vector=[0.0, 0.0], time=moment, batch=batch, **files)


def person_rows(scene: Scene, batch: int) -> Iterator[dict[str, Any]]:
    """Make the rows of a picture's persons."""
    own = image_row(scene, batch)
    shared = {key: own[key] for key in ("image", "camera", "time", "batch")}
    numbers = person_ids(scene.image, len(scene.scores))
    for number, bbox, score, feat in zip(numbers, scene.bboxes.tolist(), scene.scores.tolist(), scene.feats):
        corners = dict(zip(("x1", "y1", "x2", "y2"), bbox))
        yield dict(shared, **corners, id=number, image_id=own["id"], score=score, vector=feat.astype(np.float32))


def read_ids(client: Any, name: str, ids: Iterable[int], fields: Sequence[str]) -> list[dict[str, Any]]:
    """Read the rows of ids that a collection has, in parts: a server limits an answer's size."""
    ids = list(ids)
    parts = [ids[start : start + _PAGE] for start in range(0, len(ids), _PAGE)]
    return [one for part in parts for one in client.query(name, ids=part, output_fields=list(fields))]


def read_all(
    client: Any, name: str, number: int, fields: Sequence[str], condition: str = ""
) -> Iterator[dict[str, Any]]:
    """Iterate over the rows of a collection, which has about this number, in no order.

    Ids are evenly spread over their range, parts of which are read one by one.
    """
    number = number // _PAGE + 1
    starts = [i * (2**63 // number) for i in range(number)]
    for start, end in zip(starts, [*starts[1:], 2**63 - 1]):
        part = f"id >= {start} and id <= {end - (end < 2**63 - 1)}"
        part = f"{part} and {condition}" if condition else part
        yield from client.query(name, filter=part, output_fields=list(fields))


def detections_of(rows: Sequence[dict[str, Any]]) -> InstanceData:
    """Make detections of a picture's rows of persons with ``vector``, from left to right, as a model gives them."""
    rows = sorted(rows, key=lambda row: (row["x1"], row["id"]))
    bboxes = [[row[key] for key in ("x1", "y1", "x2", "y2")] for row in rows]
    feats = np.array([row["vector"] for row in rows], dtype=np.float32)
    return InstanceData(
        bboxes=torch.tensor(bboxes).reshape(-1, 4),
        scores=torch.tensor([row["score"] for row in rows]),
        reid_feats=torch.from_numpy(feats.reshape(len(rows), -1)) if rows else torch.zeros(0, 0),
    )
