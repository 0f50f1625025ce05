"""Search in a gallery: ranking by similarity or with context persons, and the hits."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmpersonsearch.evaluation.index.ragged import offsets_of
from mmpersonsearch.evaluation.index.search_index import SearchIndex
from mmpersonsearch.evaluation.rankings import BaseRanking, QueryChunk, RankingWithContextPersons
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import write_json_file
from mmpersonsearch.utils.times import time_text
from mmpersonsearch.visualization.hit_pictures import HitPicture, draw_hits, write_hits_page

from .query import Query
from .timeline import Timeline, make_timeline

NO_TIME = -1e12  # seconds; Milvus before 2.5 has no empty cells
RANKINGS = ("similarity", "rcp")


@dataclass
class Hit:
    """The most similar person of a picture.

    Attributes:
        image: Path relative to the archive's root, with ``#t=`` for a frame of a video.
        bbox: xyxy in pixels.
        similarity: Cosine similarity to the query.
        ranked: What hits are ordered by; another number than the similarity with ``ranking="rcp"``.
        score: Of the detection.
        camera: Empty where there is none.
        time: In seconds since 1970 or since a video's start; None where it is not known.
    """

    image: str
    bbox: tuple[float, float, float, float]
    similarity: float
    ranked: float
    score: float
    camera: str
    time: float | None


class Hits(list):
    """Hits of a search, best first.

    Attributes:
        query: What was searched for.
        root: Folder of the archive.
    """

    def __init__(self, hits: Sequence[Hit], query: Query, root: str) -> None:
        super().__init__(hits)
        self.query, self.root = query, root

    def to_pandas(self) -> Any:
        """Return a ``pandas.DataFrame``, a row a hit."""
        import pandas

        return pandas.DataFrame([asdict(hit) for hit in self], columns=list(Hit.__dataclass_fields__))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: ``{"query": [...], "root": ..., "hits": [...]}``."""
        pictures = [one if isinstance(one, str) else "array" for one in self.query.pictures]
        boxes = self.query.bboxes.tolist()
        query = [dict(image=picture, bbox=box) for picture, box in zip(pictures, boxes)]
        return dict(query=query, root=self.root, hits=[asdict(hit) for hit in self])

    def to_json(self, path: str | Path) -> None:
        """Write what :meth:`to_dict` returns to a file."""
        write_json_file(path, self.to_dict())

    def draw(self, path: str | Path) -> None:
        """Write the query and the pictures of the hits, each with its box, to a PNG or JPEG file."""
        draw_hits(self._query_pictures(), self._pictures(), path)

    def to_html(self, path: str | Path) -> None:
        """Write a page with the pictures inside, which needs no other file."""
        write_hits_page(self._query_pictures(), self._pictures(), path)

    def timeline(self, gap: float = 10.0) -> Timeline:
        """Group the hits into appearances: one at each camera, and one more after each gap.

        Search with a ``min_similarity``, without which each picture has a hit, and with ``topk=None`` for all of them.
        Videos whose start is not known have a place each.

        Args:
            gap: Seconds without a hit that end an appearance.

        Raises:
            InputError: ``gap`` is not above 0.
        """
        return make_timeline(self, gap)

    def _query_pictures(self) -> list[HitPicture]:
        places = zip(self.query.pictures, self.query.bboxes.tolist())
        return [HitPicture(one, bbox, one if isinstance(one, str) else "", "query") for one, bbox in places]

    def _pictures(self) -> list[HitPicture]:
        pictures = []
        for rank, hit in enumerate(self, start=1):
            where = [f"camera {hit.camera}"] if hit.camera else []
            where += [time_text(hit.time)] if hit.time is not None else []
            text = f"{rank}   {hit.similarity:.3f}   {', '.join(where)}".rstrip()
            pictures.append(HitPicture(str(Path(self.root, hit.image)), hit.bbox, hit.image, text))
        return pictures


def rank_persons(
    persons: list[dict[str, Any]],
    query: Query,
    ranking: BaseRanking | None,
    min_similarity: float | None = None,
    topk: int | None = None,
) -> list[Hit]:
    """Rank persons of a gallery's rows, the best of each picture, in the order of :func:`evaluate_search`.

    Without a ranking by similarity; else all persons of the pictures are expected, and what the pictures of the query
    give is averaged. Of equal ones the picture of the later name comes first, as in the evaluation.
    """
    persons = sorted(persons, key=lambda one: (one["image"], one["id"]))
    if not persons:
        return []
    vectors = torch.tensor(np.array([one["vector"] for one in persons], dtype=np.float32))
    similarities = vectors @ query.feats
    ranked = similarities if ranking is None else _rank(ranking, query, persons, vectors)
    order = ranked.sort(stable=True)[1].flip(0)
    if min_similarity is not None:
        order = order[similarities[order] >= min_similarity]
    images = np.array([one["image_id"] for one in persons])[order.numpy()]
    first = np.sort(np.unique(images, return_index=True)[1])[:topk]
    return [_hit(persons[i], float(similarities[i]), float(ranked[i])) for i in order[first].tolist()]


def _hit(person: dict[str, Any], similarity: float, ranked: float) -> Hit:
    moment = None if person["time"] <= NO_TIME else person["time"]
    bbox = tuple(round(person[key], 2) for key in ("x1", "y1", "x2", "y2"))
    return Hit(person["image"], bbox, similarity, ranked, person["score"], person["camera"], moment)


def find_ranking(ranking: str | BaseRanking) -> BaseRanking | None:
    """Return a ranking by its name, None for similarity; InputError for another name."""
    if isinstance(ranking, BaseRanking):
        return ranking
    if ranking not in RANKINGS:
        raise InputError(f"ranking {ranking!r}: expected one of {', '.join(RANKINGS)}")
    return RankingWithContextPersons() if ranking == "rcp" else None


def filter_of(
    cameras: Sequence[str | int] | None = None, after: float | str | None = None, before: float | str | None = None
) -> str:
    """Make Milvus's filter; InputError for a time that is none."""
    parts = []
    if cameras is not None:
        parts.append(f"camera in {json.dumps([str(camera) for camera in cameras], ensure_ascii=False)}")
    if after is not None:
        parts.append(f"time >= {seconds(after)!r}")
    if before is not None:
        parts.append(f"time < {seconds(before)!r} and time > {NO_TIME!r}")
    return " and ".join(parts)


def seconds(moment: float | str) -> float:
    """Read seconds, or an ISO date (of UTC, like those of pictures) as seconds since 1970."""
    try:
        number = float(moment)
    except ValueError:
        try:
            number = datetime.fromisoformat(moment).replace(tzinfo=timezone.utc).timestamp()
        except ValueError:
            number = math.nan
    if not math.isfinite(number):
        raise InputError(f"time {moment!r}: expected seconds or a date such as 2026-11-29 12:30")
    return number


def _rank(ranking: BaseRanking, query: Query, persons: list[dict], vectors: Tensor) -> Tensor:
    """Rank persons, image after image, by the context in each picture of the query; (N,) means over the pictures."""
    ids = [one["image_id"] for one in persons]
    images = torch.tensor(np.unique(ids, return_inverse=True)[1])
    order = images.sort(stable=True)[1]
    corners = torch.tensor([[persons[i][key] for key in ("x1", "y1", "x2", "y2")] for i in order.tolist()])
    rows = []
    for scene, bbox in zip(query.scenes, query.bboxes):
        number = int(images.max()) + 1  # of the query's own picture, which comes last
        owners = torch.cat([images[order], torch.full((len(scene.scores),), number)])
        index = SearchIndex(
            bboxes=torch.cat([corners, scene.bboxes]).double(),
            scores=torch.cat([torch.ones(len(corners)), scene.scores]),
            feats=torch.cat([vectors[order], scene.reid_feats.float()]),
            image_inds=owners,
            offsets=offsets_of(owners, number + 1),
            query_feats=query.feats[None],
            query_bboxes=torch.tensor(bbox).double()[None],
            query_image_inds=torch.tensor([number]),
        )
        one = torch.zeros(1, dtype=torch.int64)
        row = ranking.rank(QueryChunk(index, one, index.similarities(one), gallery=None))[0, : len(corners)]
        rows.append(row[order.argsort()])
    return torch.stack(rows).mean(0)
