"""Persons of an archive in Milvus: vectors with their picture, box, camera and time, to be searched."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.structures import InstanceData

from mmpersonsearch.evaluation.rankings import BaseRanking
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.holder import hold

from .gallery_index import find_nearest, measure_recall, replace_index, search_params
from .gallery_rows import (
    FIELDS,
    Scene,
    create_tables,
    detections_of,
    image_id,
    image_row,
    person_ids,
    person_rows,
    read_all,
    read_ids,
)
from .milvus import LIMIT, Milvus
from .query import Query
from .search import NO_TIME, Hits, filter_of, find_ranking, rank_persons

_FACTS = "mmpersonsearch"
_AHEAD = 50  # further pictures that are compared, so that rounding in Milvus loses none of the best
_GRACE = 300_000_000_000  # nanoseconds after which a batch on a server is one of a process that was killed


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
        self.client = Milvus(self.place, token, db_name)
        self.persons, self.images = f"{collection}_persons", f"{collection}_images"
        if not self.client.has_collection(self.images):
            if facts is None:
                where = f"{self.place}, database {db_name!r}," if db_name else self.place
                raise FileNotFoundError(f"{where} has no gallery {collection!r}")
            properties = {_FACTS: json.dumps({**facts, "created": time.time()})}
            create_tables(self.client, self.persons, self.images, int(facts["width"]), properties)
        self.client.load_collection(self.persons)
        self.client.load_collection(self.images)
        self.facts = json.loads(self.client.describe_collection(self.images)["properties"][_FACTS])
        self.index = self.client.describe_index(self.persons, "vector")
        if facts is not None:
            self.check_model(facts["fingerprint"], facts["model"])
        if facts is not None or not self.client.remote:
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

        Raises:
            InputError: Milvus cannot write, for want of space or because the server is gone. What was added before is
                there, the pictures of this call are there as a whole or not at all after the next opening.
        """
        if not scenes:
            return
        batch = time.time_ns()
        mark = dict(image_row(Scene("", 0, 0, *np.empty((3, 0))), batch), id=-batch, persons=-1)
        self.client.insert(self.images, [mark])
        # On a server a batch that was killed may have left persons without their picture.
        self._delete({scene.image: len(scene.scores) if self.client.remote else 0 for scene in scenes})
        persons = [row for scene in scenes for row in person_rows(scene, batch)]
        for start in range(0, len(persons), 1000):
            self.client.insert(self.persons, persons[start : start + 1000])
        self.client.insert(self.images, [image_row(scene, batch) for scene in scenes])
        self.client.delete(self.images, ids=[-batch])

    def _recover(self) -> None:
        """Remove what a process left that was killed in :meth:`add`: persons of a batch that lacks its pictures.

        On a server, another process may be in it: a batch is left alone until it is old.
        """
        if not self.client.remote:
            self.flush()  # Milvus Lite reads rows that are not flushed a hundred times more slowly
        for mark in self.client.query(self.images, filter="persons < 0", output_fields=["batch"]):
            if self.client.remote and time.time_ns() - mark["batch"] < _GRACE:
                continue
            condition = f"batch == {mark['batch']}"
            if not self.client.query(self.images, filter=f"{condition} and persons >= 0", output_fields=["id"]):
                self.client.delete(self.persons, filter=condition)
            self.client.delete(self.images, ids=[-mark["batch"]])

    def flush(self) -> None:
        """Have Milvus write what was added to its files."""
        self.client.flush(self.persons, self.images)

    def _delete(self, images: dict[str, int]) -> int:
        """Delete pictures by name, with at least so many persons each; return how many were there."""
        known = {
            row["image"]: row for row in read_ids(self.client, self.images, map(image_id, images), ["image", "persons"])
        }
        counts = {name: max(n, known[name]["persons"] if name in known else 0) for name, n in images.items()}
        persons = [one for name, number in counts.items() for one in person_ids(name, number)]
        for start in range(0, len(persons), LIMIT):
            self.client.delete(self.persons, ids=persons[start : start + LIMIT])
        if known:
            self.client.delete(self.images, ids=[row["id"] for row in known.values()])
        return len(known)

    def remove(self, images: Iterable[str] = (), before: float | None = None) -> int:
        """Remove pictures with their persons, by name, or all of an earlier time; return their number."""
        names = dict.fromkeys(images, 0)
        if before is not None:
            rows = self.rows(["image"], f"time < {before} and time > {NO_TIME}")
            names |= {row["image"]: 0 for row in rows}
        number = 0
        for start in range(0, len(names), 1000):
            number += self._delete(dict.fromkeys(list(names)[start : start + 1000], 0))
        self.flush()
        return number

    def rows(self, fields: Sequence[str], condition: str = "") -> Iterator[dict[str, Any]]:
        """Iterate over the pictures' rows, in no order."""
        condition = f"persons >= 0 and ({condition})" if condition else "persons >= 0"
        return read_all(self.client, self.images, self.count()[0], fields, condition)

    def states(self, images: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Return size and time of change of those of the pictures that the gallery has, by name."""
        rows = read_ids(self.client, self.images, map(image_id, images), ["image", "size", "mtime"])
        return {row["image"]: (row["size"], row["mtime"]) for row in rows}

    def vectors(self) -> Iterator[np.ndarray]:
        """Iterate over the embeddings of all persons, (n, D) at a time, in no order."""
        rows = read_all(self.client, self.persons, self.count()[1], ["vector"])
        while part := list(islice(rows, LIMIT)):
            yield np.array([row["vector"] for row in part], dtype=np.float32)

    def persons_of(self, image: str) -> InstanceData:
        """Return a picture's persons from left to right: ``bboxes`` (n, 4), ``scores`` (n,), ``reid_feats`` (n, D)."""
        return detections_of(self._persons_of([image_id(image)]))

    def _persons_of(self, image_ids: Iterable[int]) -> list[dict[str, Any]]:
        images = read_ids(self.client, self.images, image_ids, ["image", "persons"])
        ids = [one for row in images for one in person_ids(row["image"], row["persons"])]
        return read_ids(self.client, self.persons, ids, [*FIELDS, "vector"])

    def count(self) -> tuple[int, int]:
        """Return the numbers of pictures and of persons."""
        counts = []
        for name in (self.images, self.persons):
            (row,) = self.client.query(name, output_fields=["count(*)"])
            counts.append(int(row["count(*)"]))
        marks = self.client.query(self.images, filter="persons < 0", output_fields=["id"])
        return counts[0] - len(marks), counts[1]

    def set_index(self, kind: str) -> None:
        """Replace the index of the embeddings.

        Args:
            kind: ``'FLAT'``, exact; ``'HNSW'``; ``'IVF_FLAT'``. An approximate one is built of what :meth:`flush` has
                written; the rest is compared one by one until Milvus adds it.

        Raises:
            InputError: Milvus has no such index; the gallery is exact then.
        """
        if kind != self.index["index_type"]:
            self.flush()
            try:
                replace_index(self.client, self.persons, kind, self.count()[1])
            finally:
                self.index = self.client.describe_index(self.persons, "vector")

    def check_recall(self, number: int = 100, topk: int = 20, effort: int | None = None) -> float:
        """Measure and print the part of the ``topk`` most similar persons that the index finds.

        Args:
            number: Persons of the gallery that are the queries.
            topk: Persons of each.
            effort: See :meth:`search`.
        """
        recall = measure_recall(self, number, topk, effort)
        index = f"{self.index['index_type']} {search_params(self.index, topk, effort) or ''}".strip()
        print(f"{self.place}: recall@{topk} {recall:.4f} by {index}, {number} queries")
        return recall

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
        effort: int | None = None,
    ) -> Hits:
        """Search a person; the order is that of :func:`mmpersonsearch.evaluation.evaluate_search`.

        All are compared, but those that an approximate index of :meth:`set_index` misses.

        Args:
            query: See :meth:`PersonSearchInferencer.embed`.
            topk: Number of hits, one per picture; None is all, at most 16,000, which is about what Milvus gives.
            ranking: ``'similarity'``; ``'rcp'``, ranking with context persons; or a ranking with other parameters.
            cameras: Only pictures of these cameras.
            after: Only pictures of this time or later: seconds, or ``'2026-11-29 12:30'``.
            before: Only earlier pictures.
            num_scenes: Number of the most similar pictures that a ranking other than similarity orders anew.
            min_similarity: Least similarity of hits.
            effort: Of an approximate index: HNSW's ``ef``, IVF's ``nprobe``; more finds more, in more time.

        Raises:
            InputError: The query is of another model; an argument is out of range.
        """
        self.check_model(query.fingerprint, "the query")
        topk = min(max(1, self.count()[0]), LIMIT) if topk is None else topk
        if topk < 1 or num_scenes < 1:
            raise InputError(f"search: topk {topk} and num_scenes {num_scenes}, expected 1 or more")
        ranking = find_ranking(ranking)
        condition = filter_of(cameras, after, before)
        if ranking is None:
            persons = find_nearest(self, query, topk + _AHEAD, condition, [*FIELDS, "vector"], effort)
        else:
            nearest = find_nearest(self, query, num_scenes, condition, ["image_id"], effort)
            scenes = list(dict.fromkeys(one["image_id"] for one in nearest))[:num_scenes]
            persons = self._persons_of(scenes)
        return Hits(rank_persons(persons, query, ranking, min_similarity, topk), query, self.facts.get("root", ""))

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
