"""Persons of an archive in Milvus: vectors with their picture, box, camera and time, to be searched."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.structures import InstanceData

from mmpersonsearch.evaluation.rankings import BaseRanking
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.holder import hold

from .gallery_rows import FIELDS, Scene, create_tables, detections_of, image_id, image_row, person_rows
from .query import Query
from .search import NO_TIME, Hits, filter_of, find_ranking, rank_persons

_FACTS = "mmpersonsearch"
_PAGE = 5000  # rows
MOST_HITS = 16_000  # Milvus's limit is 16,384
_AHEAD = 50  # further pictures that are compared, so that rounding in Milvus loses none of the best


class Gallery:
    """Persons in a Milvus database: an embedded one in a folder (Milvus Lite), or a server's.

    One process holds a folder at a time. What :meth:`add` was killed in is undone when the gallery is opened again, so
    that each picture is there with all of its persons, or not at all.

    Args:
        place: Folder, or address of a server (``http://host:19530``).
        facts: Of a new gallery: ``model``, ``fingerprint``, ``width`` (of the embeddings), ``score_thr`` and what else
            is to be kept. None opens an existing one.
        collection: Name on a server.
        token: Of a server.
        db_name: Of a server.

    Raises:
        FileNotFoundError: There is no such gallery.
        InputError: Another process holds it; ``pymilvus`` is missing; a server cannot be reached; its embeddings are of
            another model than the facts say.
    """

    def __init__(
        self,
        place: str | Path,
        facts: dict[str, Any] | None = None,
        collection: str = "gallery",
        token: str = "",
        db_name: str = "",
    ) -> None:
        self.place = str(place)
        self._holder = None
        remote = "://" in self.place
        if not remote and facts is None and not Path(self.place, "milvus.db").is_dir():
            raise FileNotFoundError(f"gallery {self.place} does not exist")
        if not remote:
            self._holder = hold(Path(self.place))
        self.client = None
        try:
            self._open(facts, collection, token, db_name)
        except BaseException:
            self.close()  # not only when the traceback is gone
            raise

    def _open(self, facts: dict[str, Any] | None, collection: str, token: str, db_name: str) -> None:
        remote = "://" in self.place
        self.client = _connect(self.place if remote else str(Path(self.place, "milvus.db")), token, db_name)
        self.persons, self.images = f"{collection}_persons", f"{collection}_images"
        if not self.client.has_collection(self.images):
            if facts is None:
                raise FileNotFoundError(f"{self.place} has no gallery {collection!r}")
            properties = {_FACTS: json.dumps({**facts, "created": time.time()})}
            create_tables(self.client, self.persons, self.images, int(facts["width"]), properties)
        self.client.load_collection(self.persons)
        self.client.load_collection(self.images)
        self.facts = json.loads(self.client.describe_collection(self.images)["properties"][_FACTS])
        if facts is not None:
            self.check_model(facts["fingerprint"], facts["model"])
        self._recover()

    def check_model(self, fingerprint: str, name: str) -> None:
        """Raise InputError that names both models if the gallery's embeddings are of another one."""
        if fingerprint != self.facts["fingerprint"]:
            raise InputError(
                f"gallery {self.place} has embeddings of {self.facts['model']} ({self.facts['fingerprint']}), which "
                f"those of {name} ({fingerprint}) cannot be compared with: index the archive anew by this model"
            )

    def add(self, scenes: Sequence[Scene]) -> None:
        """Add pictures; one that is there already is replaced.

        A row of the images' collection marks the batch until it is whole; see :meth:`_recover`.
        """
        if not scenes:
            return
        batch = time.time_ns()
        mark = dict(image_row(Scene("", 0, 0, *np.empty((3, 0))), batch), id=-batch, persons=-1)
        self.client.insert(self.images, [mark])
        self._delete([image_id(scene.image) for scene in scenes])
        persons = [row for scene in scenes for row in person_rows(scene, batch)]
        for start in range(0, len(persons), 1000):
            self.client.insert(self.persons, persons[start : start + 1000])
        self.client.insert(self.images, [image_row(scene, batch) for scene in scenes])
        self.client.delete(self.images, ids=[-batch])

    def _recover(self) -> None:
        """Remove what a process left that was killed in :meth:`add`."""
        self.flush()  # Milvus Lite reads rows that are not flushed a hundred times more slowly
        for mark in self.client.query(self.images, filter="persons < 0", output_fields=["batch"]):
            for name in (self.persons, self.images):
                self.client.delete(name, filter=f"batch == {mark['batch']}")

    def flush(self) -> None:
        """Have Milvus write what was added."""
        for name in (self.persons, self.images):
            self.client.flush(name)

    def _delete(self, image_ids: Sequence[int]) -> None:
        known = {row["id"] for row in self._rows(self.images, ["id"], ids=image_ids)}
        if known:
            self.client.delete(self.persons, filter=f"image_id in {sorted(known)}")
            self.client.delete(self.images, ids=sorted(known))

    def remove(self, images: Iterable[str] = (), before: float | None = None) -> int:
        """Remove pictures with their persons, by name, or all of an earlier time; return their number."""
        found = {image_id(image) for image in images}
        ids = {row["id"] for row in self._rows(self.images, ["id"], ids=sorted(found))} if found else set()
        if before is not None:
            ids |= {row["id"] for row in self.rows(["id"], f"time < {before} and time > {NO_TIME}")}
        for start in range(0, len(ids), 1000):
            self._delete(sorted(ids)[start : start + 1000])
        self.flush()
        return len(ids)

    def rows(self, fields: Sequence[str], condition: str = "") -> Iterator[dict[str, Any]]:
        """Iterate over the pictures' rows, in no order.

        Ids are evenly spread over their range, parts of which are read one by one: a server limits an answer's size.
        """
        condition = f" and ({condition})" if condition else ""
        number = self.count()[0] // _PAGE + 1
        starts = [i * (2**63 // number) for i in range(number)]
        for start, end in zip(starts, [*starts[1:], 2**63 - 1]):
            part = f"id >= {start} and id <= {end - (end < 2**63 - 1)} and persons >= 0{condition}"
            yield from self.client.query(self.images, filter=part, output_fields=list(fields))

    def _rows(self, name: str, fields: Sequence[str], ids: Sequence[int]) -> list[dict[str, Any]]:
        return self.client.query(name, filter=f"id in {list(ids)}", output_fields=list(fields)) if len(ids) else []

    def persons_of(self, image: str) -> InstanceData:
        """Return a picture's persons from left to right: ``bboxes`` (n, 4), ``scores`` (n,), ``reid_feats`` (n, D)."""
        condition = f"image_id == {image_id(image)}"
        return detections_of(self.client.query(self.persons, filter=condition, output_fields=[*FIELDS, "vector"]))

    def count(self) -> tuple[int, int]:
        """Return the numbers of pictures and of persons."""
        counts = []
        for name, condition in ((self.images, "persons >= 0"), (self.persons, "")):
            (row,) = self.client.query(name, filter=condition, output_fields=["count(*)"])
            counts.append(int(row["count(*)"]))
        return counts[0], counts[1]

    def search(
        self,
        query: Query,
        topk: int | None = 20,
        ranking: str | BaseRanking = "similarity",
        cameras: Sequence[str | int] | None = None,
        after: float | str | None = None,
        before: float | str | None = None,
        num_scenes: int = 200,
        min_similarity: float | None = None,
    ) -> Hits:
        """Search a person, exactly; the order is that of :func:`mmpersonsearch.evaluation.evaluate_search`.

        Args:
            query: See :meth:`PersonSearchInferencer.embed`.
            topk: Number of hits, one per picture; None is all, at most 16,000, which is about what Milvus gives.
            ranking: ``'similarity'``; ``'rcp'``, ranking with context persons; or a ranking with other parameters.
            cameras: Only pictures of these cameras.
            after: Only pictures of this time or later: seconds, or ``'2026-11-29 12:30'``.
            before: Only earlier pictures.
            num_scenes: Number of the most similar pictures that a ranking other than similarity orders anew.
            min_similarity: Least similarity of hits.

        Raises:
            InputError: The query is of another model; an argument is out of range.
        """
        self.check_model(query.fingerprint, "the query")
        topk = min(max(1, self.count()[0]), MOST_HITS) if topk is None else topk
        if topk < 1 or num_scenes < 1:
            raise InputError(f"search: topk {topk} and num_scenes {num_scenes}, expected 1 or more")
        ranking = find_ranking(ranking)
        (found,) = self.client.search(
            self.persons,
            data=[query.feats.numpy()],
            limit=topk + _AHEAD if ranking is None else num_scenes,
            filter=filter_of(cameras, after, before),
            group_by_field="image_id",
            output_fields=[*FIELDS, "vector"],
            search_params=dict(metric_type="IP"),
        )
        persons = [dict(one["entity"]) for one in found]
        if ranking is not None and persons:
            condition = f"image_id in {[one['image_id'] for one in persons]}"
            persons = self.client.query(self.persons, filter=condition, output_fields=[*FIELDS, "vector"])
        return Hits(rank_persons(persons, query, ranking, min_similarity)[:topk], query, self.facts.get("root", ""))

    def close(self) -> None:
        """Close the database, so that another process may open it."""
        if self.client is not None:
            self.client.close()
        if self._holder is not None:
            self._holder.release()
            self._holder = None

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _connect(uri: str, token: str, db_name: str) -> Any:
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its notes of keep-alive pings
    try:
        from pymilvus import MilvusClient
        from pymilvus.exceptions import MilvusException
    except ImportError:
        raise InputError("galleries need pymilvus and milvus-lite: pip install 'mmpersonsearch[gallery]'") from None
    logging.getLogger("pymilvus").setLevel(logging.ERROR)  # of what Milvus Lite lacks
    try:
        return MilvusClient(uri=uri, token=token, db_name=db_name)
    except MilvusException as error:
        raise InputError(f"{uri} cannot be opened by Milvus: {error.message}") from error
