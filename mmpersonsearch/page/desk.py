"""What the page does: open a picture, choose a person, search, mark hits as right or wrong and search again."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from mmengine.structures import InstanceData

from mmpersonsearch.apis import Gallery, Hit, Hits, PersonSearchInferencer, Query
from mmpersonsearch.apis.calibration import find_calibration
from mmpersonsearch.apis.query import join_queries, query_of
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.media import Item, open_picture

from .archive import Archive, read_upload

Place = tuple[str, tuple[float, ...]]  # picture and box of a hit


@dataclass
class Visit:
    """What one visitor has on the page.

    Attributes:
        picture: The scene in which a person is to be chosen: an array of an upload, or a file of the archive.
        name: Of the picture.
        size: Its width and height.
        found: Its persons, from left to right.
        query: The person that was chosen.
        query_name: Name of the picture that shows the query.
        hits: Of the last search.
        right: Queries of hits that were marked as right.
        wrong: Hits that were marked as wrong.
        listed: Pictures of the archive that the page lists.
    """

    picture: Item | None = None
    name: str = ""
    size: tuple[int, int] = (0, 0)
    found: InstanceData | None = None
    query: Query | None = None
    query_name: str = ""
    hits: Hits | None = None
    right: dict[Place, Query] = field(default_factory=dict)
    wrong: set[Place] = field(default_factory=set)
    listed: list[dict[str, Any]] = field(default_factory=list)

    def mark_of(self, hit: Hit) -> bool | None:
        """Tell whether a hit was marked as right or wrong; None if it was not."""
        place = (hit.image, hit.bbox)
        return True if place in self.right else False if place in self.wrong else None


@dataclass
class Filters:
    """How to search; see :meth:`Gallery.search`. An empty text or list, and a similarity of 0, do not restrict."""

    ranking: str = "similarity"
    topk: int = 20
    cameras: Sequence[str] = ()
    after: str = ""
    before: str = ""
    min_similarity: float = 0.0


class Desk:
    """Searches of all visitors in one gallery by one model.

    Whoever calls it from several threads holds its ``lock``, also while pictures are drawn: neither the model nor open
    videos are for several threads.

    Args:
        gallery: Open gallery.
        searcher: Its model.

    Attributes:
        min_similarity: That ``mmpersonsearch calibrate`` stored for the model; 0 without.

    Raises:
        InputError: The gallery is another model's.
    """

    def __init__(self, gallery: Gallery, searcher: PersonSearchInferencer) -> None:
        gallery.check_model(searcher.fingerprint, searcher.name)
        self.gallery, self.searcher = gallery, searcher
        self.archive = Archive(gallery)
        self.lock = threading.Lock()
        stored = find_calibration(gallery.facts["fingerprint"])
        self.min_similarity = 0.0 if stored is None else stored.min_similarity

    def open_upload(self, visit: Visit, content: bytes, name: str) -> None:
        """Find the persons of a picture that a visitor brings; for errors see :func:`read_upload`."""
        image = read_upload(content, name)
        (sample,) = self.searcher.predict([image])
        if isinstance(sample, Exception):
            raise sample
        found = sample.pred_instances
        found = found[found.scores >= self.gallery.facts["score_thr"]]
        self._open(visit, image, name, (image.shape[1], image.shape[0]), found[found.bboxes[:, 0].argsort()])

    def open_archived(self, visit: Visit, image: str) -> None:
        """Open a picture of the archive with the persons that the gallery has of it.

        Raises:
            InputError: It is gone, cannot be read, or is outside of the archive.
        """
        path = self.archive.path(image)
        try:
            size = open_picture(path).size
        except (InputError, OSError) as error:
            raise InputError(f"{image} is gone from the archive, or cannot be read") from error
        self._open(visit, path, image, size, self.gallery.persons_of(image))

    def _open(self, visit: Visit, picture: Item, name: str, size: tuple[int, int], found: InstanceData) -> None:
        visit.picture, visit.name, visit.size, visit.found = picture, name, size, found

    def choose(self, visit: Visit, number: int) -> None:
        """Take a person of the open picture as the query, by its number from 1 on; InputError for another number."""
        if visit.found is None or not 1 <= number <= len(visit.found.scores):
            raise InputError(f"there is no person {number} in the picture")
        query = query_of(visit.found, number - 1, visit.picture, self.searcher.fingerprint)
        self._start(visit, query)

    def choose_box(self, visit: Visit, corners: Sequence[float]) -> None:
        """Take what is between two corners, x y x y in pixels in any order; InputError if that is no box."""
        if visit.picture is None:
            raise InputError("there is no picture yet")
        (x1, x2), (y1, y2) = sorted(corners[0::2]), sorted(corners[1::2])
        x1, y1, x2, y2 = max(0.0, x1), max(0.0, y1), min(visit.size[0], x2), min(visit.size[1], y2)
        if x2 - x1 < 4 or y2 - y1 < 4:
            raise InputError("the two corners are too near each other: expected opposite corners of the person's box")
        score_thr = self.gallery.facts["score_thr"]
        self._start(visit, self.searcher.embed(visit.picture, bbox=(x1, y1, x2, y2), score_thr=score_thr))

    def _start(self, visit: Visit, query: Query) -> None:
        visit.query, visit.query_name, visit.hits = query, visit.name, None
        visit.right, visit.wrong = {}, set()

    def search(self, visit: Visit, filters: Filters) -> None:
        """Search the chosen person, together with the hits that were marked as right and without those marked wrong.

        Raises:
            InputError: A filter is none.
        """
        if visit.query is None:
            return
        query = join_queries([visit.query, *visit.right.values()])
        hits = self.gallery.search(
            query,
            topk=filters.topk + len(visit.wrong),
            ranking=filters.ranking,
            cameras=list(filters.cameras) or None,
            after=filters.after.strip() or None,
            before=filters.before.strip() or None,
            min_similarity=filters.min_similarity or None,
        )
        kept = [hit for hit in hits if (hit.image, hit.bbox) not in visit.wrong]
        visit.hits = Hits(kept[: filters.topk], query, hits.root)

    def mark(self, visit: Visit, rank: int, right: bool) -> None:
        """Mark a hit, by its rank from 1 on, as right or wrong; the same mark again removes it."""
        hit = self.hit(visit, rank)
        place, before = (hit.image, hit.bbox), visit.mark_of(hit)
        visit.right.pop(place, None)
        visit.wrong.discard(place)
        if right and before is not True:
            visit.right[place] = self._query_of_hit(hit)
        elif not right and before is not False:
            visit.wrong.add(place)

    def hit(self, visit: Visit, rank: int) -> Hit:
        """Return a hit by its rank from 1 on; InputError if there is none."""
        if visit.hits is None or not 1 <= rank <= len(visit.hits):
            raise InputError(f"there is no hit {rank}")
        return visit.hits[rank - 1]

    def _query_of_hit(self, hit: Hit) -> Query:
        found = self.gallery.persons_of(hit.image)
        distances = (found.bboxes - torch.tensor(hit.bbox)).abs().sum(1)
        if not len(distances):
            raise InputError(f"{hit.image} is no longer in the gallery")
        return query_of(found, int(distances.argmin()), self.archive.path(hit.image), self.searcher.fingerprint)

    def to_dict(self, visit: Visit) -> dict[str, Any]:
        """Return the hits as plain data, see :meth:`Hits.to_dict`, each with ``right``: true, false or null."""
        content = visit.hits.to_dict()
        content["query"][0]["image"] = visit.query_name
        for hit, row in zip(visit.hits, content["hits"]):
            row["right"] = visit.mark_of(hit)
        return content
