"""Ranking lists as pictures: each query beside its best matches, as crops or as whole scenes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mmpersonsearch.structures import RankingList, SceneImage, SearchProtocol

from .page import OTHER, QUERY, RIGHT, WRONG, Color, Page, crop_box, draw_boxes, fit

LoadImage = Callable[[str | int], Image.Image | np.ndarray]


def draw_ranking(
    protocol: SearchProtocol,
    rankings: Sequence[RankingList],
    load_image: LoadImage,
    out_file: str | Path | None = None,
    title: str = "",
    row_titles: Sequence[str] | None = None,
    cell_size: tuple[int, int] = (120, 240),
) -> Image.Image:
    """Draw one row a query: the query, then the best match of each of its k best gallery images, as crops.

    Right matches have a green frame and a tick, wrong ones a red frame and a cross, so that the picture is readable
    without colours. Under each match stand its similarity, its camera and its image.

    Args:
        protocol: Test images and queries.
        rankings: Rows, as :func:`mmpersonsearch.evaluation.rank_gallery` gives them; the same query may come again, for
            another model or ranking.
        load_image: Gives the picture of an ``img_id``, a PIL image or (h, w, 3) uint8 RGB.
        out_file: Where to write the picture, PNG or JPEG by its name.
        title: Headline.
        row_titles: One text a row, above it; see :func:`query_titles`.
        cell_size: Width and height of a crop in pixels. Crops keep their shape, the rest is grey.

    Returns:
        The picture.

    Raises:
        ValueError: No row, or a wrong number of ``row_titles``.
    """
    return _draw_rows(_Crops(), protocol, rankings, load_image, out_file, title, row_titles, cell_size)


def draw_ranking_scenes(
    protocol: SearchProtocol,
    rankings: Sequence[RankingList],
    load_image: LoadImage,
    out_file: str | Path | None = None,
    title: str = "",
    row_titles: Sequence[str] | None = None,
    cell_size: tuple[int, int] = (490, 280),
) -> Image.Image:
    """:func:`draw_ranking` with whole scenes.

    The query's scene shows its box; the scene of a match the matched box, green (right) or red (wrong), and thin and
    grey the other detections. Where the person is in the scene but another was taken, the true box is dashed.

    Args:
        protocol: See :func:`draw_ranking`, as for the others.
        rankings: Rows.
        load_image: Gives the picture of an ``img_id``.
        out_file: Where to write the picture.
        title: Headline.
        row_titles: One text a row.
        cell_size: Width and height of a scene in pixels.

    Returns:
        The picture.

    Raises:
        ValueError: No row, or a wrong number of ``row_titles``.
    """
    return _draw_rows(_Scenes(), protocol, rankings, load_image, out_file, title, row_titles, cell_size)


def query_titles(
    protocol: SearchProtocol, query_inds: Sequence[int], aps: Mapping[int, float] | None = None
) -> list[str]:
    """Say identity, camera and, where they are given, average precision of queries, as titles of rows."""
    titles = []
    for query_ind in query_inds:
        query = protocol.queries[query_ind]
        camera = protocol.images[protocol.image_index[query.img_id]].camera_id
        parts = [f"query {query_ind}", f"{protocol.class_name} {query.person_id}"]
        parts += [] if camera is None else [f"camera {camera}"]
        if aps is not None:
            parts.append(f"AP {100 * aps[query_ind]:.1f}%" if query_ind in aps else "in no gallery image")
        titles.append(", ".join(parts))
    return titles


class _View(ABC):
    """How a query and its matches look."""

    def legend(self, class_name: str) -> tuple[tuple[str, Color, int, bool], ...]:
        """The words for the boxes, as :class:`Page` takes them; none where there are no boxes."""
        return ()

    @abstractmethod
    def query(self, image: Image.Image, bbox: np.ndarray, size: tuple[int, int]) -> Image.Image:
        """The query's picture, which fits into ``size``."""

    @abstractmethod
    def match(self, image: Image.Image, ranking: RankingList, rank: int, size: tuple[int, int]) -> Image.Image:
        """The picture of the match at ``rank`` (from 0), which fits into ``size``."""


class _Crops(_View):
    def query(self, image: Image.Image, bbox: np.ndarray, size: tuple[int, int]) -> Image.Image:
        return fit(crop_box(image, bbox), size)

    def match(self, image: Image.Image, ranking: RankingList, rank: int, size: tuple[int, int]) -> Image.Image:
        return fit(crop_box(image, ranking.bboxes[rank]), size)


class _Scenes(_View):
    def legend(self, class_name: str) -> tuple[tuple[str, Color, int, bool], ...]:
        return (
            ("query", QUERY, 3, False),
            ("right match ✓", RIGHT, 3, False),
            ("wrong match ✗", WRONG, 3, False),
            (f"the {class_name}, where another was taken", RIGHT, 3, True),
            ("other detections", OTHER, 1, False),
        )

    def query(self, image: Image.Image, bbox: np.ndarray, size: tuple[int, int]) -> Image.Image:
        scene = fit(image, size)
        draw_boxes(scene, bbox[None] * _scale(image, scene), QUERY)
        return scene

    def match(self, image: Image.Image, ranking: RankingList, rank: int, size: tuple[int, int]) -> Image.Image:
        scene = fit(image, size)
        scale = _scale(image, scene)
        draw_boxes(scene, ranking.other_bboxes[rank] * scale, OTHER, width=1)
        if not ranking.right[rank] and ranking.true_bboxes[rank] is not None:
            draw_boxes(scene, ranking.true_bboxes[rank][None] * scale, RIGHT, dashed=True)
        draw_boxes(scene, ranking.bboxes[rank][None] * scale, RIGHT if ranking.right[rank] else WRONG)
        return scene


def _draw_rows(
    view: _View,
    protocol: SearchProtocol,
    rankings: Sequence[RankingList],
    load_image: LoadImage,
    out_file: str | Path | None,
    title: str,
    row_titles: Sequence[str] | None,
    cell_size: tuple[int, int],
) -> Image.Image:
    if len(rankings) == 0:
        raise ValueError("draw_ranking: no ranking list to draw")
    row_titles = [""] * len(rankings) if row_titles is None else row_titles
    if len(row_titles) != len(rankings):
        raise ValueError(f"draw_ranking: {len(rankings)} rows but {len(row_titles)} row_titles")
    num_columns = max(len(ranking.image_inds) for ranking in rankings)
    num_lines = 3 if any(scene.camera_id is not None for scene in protocol.images) else 2
    page = Page(cell_size, num_columns, title, row_titles, view.legend(protocol.class_name), num_lines)
    for row, ranking in enumerate(rankings):
        query = protocol.queries[ranking.query_ind]
        scene = protocol.images[protocol.image_index[query.img_id]]
        picture = view.query(_rgb(load_image(query.img_id)), query.bbox, page.inner_size)
        page.cell(row, 0, picture, QUERY, [f"{protocol.class_name} {query.person_id}", *_place(scene)])
        for rank, image_ind in enumerate(ranking.image_inds):
            scene = protocol.images[image_ind]
            mark, color = ("✓", RIGHT) if ranking.right[rank] else ("✗", WRONG)
            picture = view.match(_rgb(load_image(scene.img_id)), ranking, rank, page.inner_size)
            page.cell(row, rank + 1, picture, color, [f"{mark} {ranking.similarities[rank]:.3f}", *_place(scene)])
    if out_file is not None:
        Path(out_file).parent.mkdir(parents=True, exist_ok=True)
        page.image.save(out_file)
    return page.image


def _rgb(image: Image.Image | np.ndarray) -> Image.Image:
    return (Image.fromarray(image) if isinstance(image, np.ndarray) else image).convert("RGB")


def _scale(image: Image.Image, scaled: Image.Image) -> np.ndarray:
    """(4,) what boxes are multiplied by."""
    return np.tile(np.divide(scaled.size, image.size), 2)


def _place(scene: SceneImage) -> list[str]:
    """Camera, where it is known, and name of the image."""
    path = Path(str(scene.img_id))
    name = path.stem if path.suffix.lower() in (".jpg", ".jpeg", ".png") else path.name
    return [name] if scene.camera_id is None else [f"camera {scene.camera_id}", name]
