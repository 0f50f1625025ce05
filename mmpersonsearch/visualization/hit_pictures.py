"""Hits of a search as a picture or as a page of one file."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont, ImageOps

from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import write_whole
from mmpersonsearch.utils.media import Item, open_picture

_QUERY, _HIT = (255, 176, 0), (0, 114, 178)
_CELL, _TEXT, _COLUMNS = (320, 240), 34, 4  # width and height of a picture, height of its text, in pixels
_PERSON = (96, 128)  # width and height, at most, of what is in the box
_FONT = Path(get_data_path(), "fonts/ttf/DejaVuSans.ttf")  # Latin, Greek, Cyrillic, Arabic and more
_STYLE = (
    "body{font:14px sans-serif;margin:1em}figure{display:inline-block;margin:.4em;vertical-align:top;max-width:100%}"
    "div{position:relative}img{max-width:100%;display:block}img+img{position:absolute;right:4px;bottom:4px;"
    "max-height:45%;max-width:30%;border:2px solid white}"
    "figcaption{padding:.2em 0;overflow-wrap:anywhere;width:320px;max-width:100%}"
)


class HitPicture(NamedTuple):
    """A picture with a person: file, frame or array; box xyxy in pixels, or None; the picture's name; a text."""

    picture: Item
    bbox: Sequence[float] | None
    name: str
    text: str


def draw_hits(queries: Sequence[HitPicture], hits: Sequence[HitPicture], path: str | Path) -> None:
    """Write a picture: the query's pictures in the first row, then the hits, row by row."""
    rows = [list(queries)[:_COLUMNS], *(list(hits)[i : i + _COLUMNS] for i in range(0, len(hits), _COLUMNS))]
    width, height = _CELL[0] + 10, _CELL[1] + _TEXT + 10
    page = Image.new("RGB", (_COLUMNS * width + 10, len(rows) * height + 10), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.truetype(_FONT, 11)
    for r, row in enumerate(rows):
        for c, one in enumerate(row):
            left, top = 10 + c * width, 10 + r * height
            thumb = thumbnail(one, _HIT if r else _QUERY)
            page.paste(thumb, (left + (_CELL[0] - thumb.width) // 2, top + (_CELL[1] - thumb.height) // 2))
            if (person := crop_person(one)) is not None:
                framed = ImageOps.expand(person, 2, "white")
                page.paste(framed, (left + _CELL[0] - framed.width, top + _CELL[1] - framed.height))
            for line, text in enumerate((one.text, one.name[-48:])):
                draw.text((left, top + _CELL[1] + 3 + 15 * line), _printable(text), fill="black", font=font)
    content = io.BytesIO()
    page.save(content, "JPEG" if str(path).lower().endswith((".jpg", ".jpeg")) else "PNG")
    write_whole(path, content.getvalue())


def write_hits_page(queries: Sequence[HitPicture], hits: Sequence[HitPicture], path: str | Path) -> None:
    """Write an HTML file that has all pictures inside."""
    parts = ["<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'><title>Hits</title>"]
    parts.append(f"<style>{_STYLE}</style><h1>Query</h1>")
    parts += [_figure(one, _QUERY) for one in queries]
    parts.append(f"<h1>{len(hits)} hits</h1>")
    parts += [_figure(one, _HIT) for one in hits]
    write_whole(path, "\n".join(parts).encode())


def data_url(image: Image.Image) -> str:
    """Return an RGB image as a ``data:`` URL of a JPEG file."""
    content = io.BytesIO()
    image.save(content, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"


def _figure(one: HitPicture, color: tuple[int, int, int]) -> str:
    caption = f"{html.escape(one.text)}<br>{html.escape(one.name)}"
    alt = html.escape(one.name, quote=True)
    person = crop_person(one)
    sources = [data_url(image) for image in (thumbnail(one, color), person) if image is not None]
    images = "".join(f"<img src='{source}' alt='{alt}'>" for source in sources)
    return f"<figure><div>{images}</div><figcaption>{caption}</figcaption></figure>"


def thumbnail(one: HitPicture, color: tuple[int, int, int]) -> Image.Image:
    """Return a picture, at most of a cell's size, with its box; a gray one that says so where it is gone."""
    try:
        image = open_picture(one.picture)
    except (InputError, OSError):
        image = Image.new("RGB", _CELL, "lightgray")
        ImageDraw.Draw(image).text((10, 10), "the picture cannot be read", fill="black")
        return image
    scale = min(_CELL[0] / image.width, _CELL[1] / image.height)
    image = image.resize([max(1, round(side * scale)) for side in image.size])
    if one.bbox is not None:
        ImageDraw.Draw(image).rectangle([x * scale for x in one.bbox], outline=color, width=3)
    return image


def crop_person(one: HitPicture) -> Image.Image | None:
    """Return what is in the box, at most 96 x 128; None without a box, and where the picture is gone."""
    if one.bbox is None:
        return None
    (x1, y1), (x2, y2) = map(math.floor, one.bbox[:2]), map(math.ceil, one.bbox[2:])
    try:
        person = open_picture(one.picture).crop((x1, y1, x2, y2))
    except (InputError, OSError):
        return None
    person.thumbnail(_PERSON)
    return person


def _printable(text: str) -> str:
    """Replace what is no character, such as the bytes of a name that is not UTF-8; what the font lacks is a box."""
    return "".join(one if one.isprintable() else "?" for one in text)
