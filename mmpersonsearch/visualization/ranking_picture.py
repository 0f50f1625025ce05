"""Ranking lists as pictures: each query beside its best matches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from mmpersonsearch.evaluation.functional import RankingList
from mmpersonsearch.structures import SceneImage, SearchProtocol

RIGHT, WRONG, QUERY = (0, 140, 60), (214, 39, 40), (60, 60, 60)
_TEXT, _FAINT, _PAD = (30, 30, 30), (110, 110, 110), (236, 236, 236)
_FRAME, _GAP = 5, 10


def draw_ranking(
    protocol: SearchProtocol,
    rankings: Sequence[RankingList],
    load_image: Callable[[str | int], Image.Image | np.ndarray],
    out_file: str | Path | None = None,
    title: str = "",
    row_titles: Sequence[str] | None = None,
    cell_size: tuple[int, int] = (120, 240),
) -> Image.Image:
    """Draw one row a query: the query, then the best match of each of its k best gallery images.

    Right matches have a green frame and a tick, wrong ones a red frame and a cross, so that the picture is readable
    without colours. Under each match stand its similarity, and its camera and image.

    Args:
        protocol: Test images and queries.
        rankings: Rows, as :func:`mmpersonsearch.evaluation.rank_gallery` gives them; the same query may come again, for
            another model or ranking.
        load_image: Gives the picture of an ``img_id``, a PIL image or (h, w, 3) uint8 RGB.
        out_file: Where to write the picture, PNG or JPEG by its name.
        title: Headline.
        row_titles: One text a row, above it.
        cell_size: Width and height of a crop in pixels. Crops keep their shape, the rest is grey.

    Returns:
        The picture.

    Raises:
        ValueError: No row, or a wrong number of ``row_titles``.
    """
    if len(rankings) == 0:
        raise ValueError("draw_ranking: no ranking list to draw")
    if row_titles is not None and len(row_titles) != len(rankings):
        raise ValueError(f"draw_ranking: {len(rankings)} rows but {len(row_titles)} row_titles")
    page = _Page(cell_size, num_columns=max(len(ranking.image_inds) for ranking in rankings))
    page.begin(len(rankings), title, has_row_titles=row_titles is not None)
    for row, ranking in enumerate(rankings):
        if row_titles is not None:
            page.row_title(row, row_titles[row])
        query = protocol.queries[ranking.query_ind]
        scene = protocol.images[protocol.image_index[query.img_id]]
        crop = _crop(load_image(query.img_id), query.bbox)
        page.cell(row, 0, crop, QUERY, f"person {query.person_id}", _place(scene))
        matches = zip(ranking.image_inds, ranking.bboxes, ranking.similarities, ranking.right)
        for rank, (image_ind, bbox, similarity, right) in enumerate(matches, 1):
            scene = protocol.images[image_ind]
            mark, color = ("✓", RIGHT) if right else ("✗", WRONG)
            crop = _crop(load_image(scene.img_id), bbox)
            page.cell(row, rank, crop, color, f"{mark} {similarity:.3f}", _place(scene), color)
    if out_file is not None:
        Path(out_file).parent.mkdir(parents=True, exist_ok=True)
        page.image.save(out_file)
    return page.image


class _Page:
    """A grid of framed crops with two lines of text under each."""

    def __init__(self, cell_size: tuple[int, int], num_columns: int) -> None:
        self.cell_size = cell_size
        self.num_columns = num_columns
        size = max(11, cell_size[0] // 9)
        self.font = _font(size)
        self.small = _font(max(9, size - 3))
        self.bold = _font(size + 4, bold=True)
        self.line = round(size * 1.35)

    def begin(self, num_rows: int, title: str, has_row_titles: bool) -> None:
        width, height = self.cell_size
        # The query stands apart from its matches.
        self.lefts = [_GAP + column * (width + _GAP) + _GAP * (column > 0) for column in range(self.num_columns + 1)]
        self.row_title_height = self.line + 4 if has_row_titles else 0
        self.row_height = self.row_title_height + height + 2 * self.line + 2 * _GAP
        head = _GAP + (round(self.line * 1.6) if title else 0)
        self.top = head + self.line + 4
        page_width = max(self.lefts[-1] + width + _GAP, round(self.bold.getlength(title)) + 2 * _GAP)
        self.image = Image.new("RGB", (page_width, self.top + num_rows * self.row_height), "white")
        self.draw = ImageDraw.Draw(self.image)
        if title:
            self.draw.text((_GAP, _GAP), title, _TEXT, self.bold)
        for column, left in enumerate(self.lefts):
            heading = str(column) if column else "query"
            self.draw.text((left + width / 2, head), heading, _FAINT, self.font, anchor="ma")

    def row_title(self, row: int, text: str) -> None:
        self.draw.text((_GAP, self.top + row * self.row_height), text, _TEXT, self.font)

    def cell(
        self,
        row: int,
        column: int,
        crop: Image.Image,
        color: tuple[int, int, int],
        text: str,
        place: str,
        text_color: tuple[int, int, int] = _TEXT,
    ) -> None:
        width, height = self.cell_size
        left, top = self.lefts[column], self.top + row * self.row_height + self.row_title_height
        self.draw.rectangle((left, top, left + width - 1, top + height - 1), _PAD, color, _FRAME)
        inner = (width - 2 * _FRAME, height - 2 * _FRAME)
        scale = min(inner[0] / crop.width, inner[1] / crop.height)
        crop = crop.resize(
            (max(1, round(crop.width * scale)), max(1, round(crop.height * scale))), Image.Resampling.BICUBIC
        )
        self.image.paste(crop, (left + (width - crop.width) // 2, top + (height - crop.height) // 2))
        middle, bottom = left + width / 2, top + height + 3
        self.draw.text((middle, bottom), text, text_color, self.font, anchor="ma")
        place = _shortened(place, self.small, width)
        self.draw.text((middle, bottom + self.line), place, _FAINT, self.small, anchor="ma")


def _crop(image: Image.Image | np.ndarray, bbox: np.ndarray) -> Image.Image:
    """The part of the image that the box covers, at least one pixel."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    image = image.convert("RGB")
    x1, y1 = (min(max(0, int(v)), side - 1) for v, side in zip(bbox[:2], image.size))
    x2, y2 = (min(int(np.ceil(v)), side) for v, side in zip(bbox[2:], image.size))
    return image.crop((x1, y1, max(x1 + 1, x2), max(y1 + 1, y2)))


def _place(scene: SceneImage) -> str:
    path = Path(str(scene.img_id))
    name = path.stem if path.suffix.lower() in (".jpg", ".jpeg", ".png") else path.name
    return name if scene.camera_id is None else f"cam {scene.camera_id} · {name}"


def _shortened(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """The text, its middle left out where it is wider than ``width`` pixels."""
    for kept in range(len(text), 1, -1):
        short = text if kept == len(text) else f"{text[: kept - kept // 2]}…{text[-(kept // 2) :]}"
        if font.getlength(short) <= width:
            return short
    return text[:1]


def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    # Matplotlib carries DejaVu Sans with it, which has the tick and the cross.
    properties = font_manager.FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
    return ImageFont.truetype(font_manager.findfont(properties), size)
