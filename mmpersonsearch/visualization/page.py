"""Pages of framed pictures with texts under them, and boxes on pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont, ImageOps

Color = tuple[int, int, int]

RIGHT, WRONG, QUERY, OTHER = (0, 140, 60), (214, 39, 40), (255, 176, 0), (105, 105, 105)
_TEXT, _FAINT, _PAD = (30, 30, 30), (100, 100, 100), (236, 236, 236)
_FRAME, _GAP = 5, 10


class Page:
    """Rows of framed pictures; the first column, the query's, stands apart from the others.

    Args:
        cell_size: Width and height of a cell with its frame, in pixels.
        num_columns: Columns beside the query's.
        title: Headline, or nothing.
        row_titles: One text a row, above it; empty texts take their place too.
        legend: Words with the colour and style of the box that they explain: (text, color, width, dashed).
        num_lines: Lines of text under each picture.
    """

    def __init__(
        self,
        cell_size: tuple[int, int],
        num_columns: int,
        title: str,
        row_titles: Sequence[str],
        legend: Sequence[tuple[str, Color, int, bool]] = (),
        num_lines: int = 3,
    ) -> None:
        width, height = cell_size
        size = min(16, max(11, width // 9))
        self.cell_size = cell_size
        self.inner_size = (width - 2 * _FRAME, height - 2 * _FRAME)
        self.font, self.small, self.bold = _font(size), _font(max(10, size - 3)), _font(size + 4, bold=True)
        self.line = round(size * 1.35)
        self.lefts = [_GAP + column * (width + _GAP) + _GAP * (column > 0) for column in range(num_columns + 1)]
        self.row_title_height = self.line + 4 if any(row_titles) else 0
        self.row_height = self.row_title_height + height + num_lines * self.line + 2 * _GAP
        self._draw_head(title, row_titles, legend)

    def cell(self, row: int, column: int, picture: Image.Image, color: Color, texts: Sequence[str]) -> None:
        """Put a picture, not larger than ``inner_size``, into its frame.

        Args:
            row: From 0.
            column: 0 is the query's.
            picture: It is centred, the rest of the cell is grey.
            color: Of the frame.
            texts: Lines under it, the first larger than the others.
        """
        width, height = self.cell_size
        left, top = self.lefts[column], self.top + row * self.row_height + self.row_title_height
        self.draw.rectangle((left, top, left + width - 1, top + height - 1), _PAD, color, _FRAME)
        self.image.paste(picture, (left + (width - picture.width) // 2, top + (height - picture.height) // 2))
        for i, text in enumerate(texts):
            font, shade = (self.small, _FAINT) if i else (self.font, _TEXT)
            text = _shortened(text, font, width + _GAP - 2)
            self.draw.text((left + width / 2, top + height + 3 + i * self.line), text, shade, font, anchor="ma")

    def _draw_head(self, title: str, row_titles: Sequence[str], legend: Sequence[tuple[str, Color, int, bool]]) -> None:
        ends = [self.lefts[-1] + self.cell_size[0], _GAP + self.bold.getlength(title)]
        ends += [_GAP + self.font.getlength(text) for text in row_titles]
        swatch = 2 * self.line
        steps = [swatch + _GAP + round(self.font.getlength(text)) + 2 * _GAP for text, *_ in legend]
        legend_top = _GAP + (round(self.line * 1.6) if title else 0)
        headings_top = legend_top + (self.line + _GAP if legend else 0)
        self.top = headings_top + self.line + 4
        width = max(*ends, _GAP + sum(steps)) + _GAP
        self.image = Image.new("RGB", (round(width), self.top + len(row_titles) * self.row_height), "white")
        self.draw = ImageDraw.Draw(self.image)
        self.draw.text((_GAP, _GAP), title, _TEXT, self.bold)
        left = _GAP
        for (text, color, line_width, dashed), step in zip(legend, steps):
            bbox = np.array([left + 4, legend_top + 4, left + swatch - 4, legend_top + self.line - 4])
            draw_boxes(self.image, bbox[None], color, line_width, dashed)
            self.draw.text((left + swatch + 4, legend_top + self.line / 2), text, _TEXT, self.font, anchor="lm")
            left += step
        for column, cell_left in enumerate(self.lefts):
            heading = str(column) if column else "query"
            middle = cell_left + self.cell_size[0] / 2
            self.draw.text((middle, headings_top), heading, _FAINT, self.font, anchor="ma")
        for row, text in enumerate(row_titles):
            self.draw.text((_GAP, self.top + row * self.row_height), text, _TEXT, self.font)


def open_scene(path: str | Path) -> Image.Image:
    """Read an image as the models see it: RGB, turned as its EXIF orientation says.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not an image, or cut off.
    """
    try:
        with Image.open(path) as file:
            return ImageOps.exif_transpose(file).convert("RGB")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{path} cannot be decoded as an image: {error}") from error


def crop_box(image: Image.Image, bbox: np.ndarray) -> Image.Image:
    """The part of the image that the box (4,) covers, at least one pixel."""
    x1, y1 = (min(max(0, int(v)), side - 1) for v, side in zip(bbox[:2], image.size))
    x2, y2 = (min(int(np.ceil(v)), side) for v, side in zip(bbox[2:], image.size))
    return image.crop((x1, y1, max(x1 + 1, x2), max(y1 + 1, y2)))


def fit(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The image as large as fits into ``size``, in its own proportions."""
    scale = min(size[0] / image.width, size[1] / image.height)
    fitted = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(fitted, Image.Resampling.BICUBIC)


def draw_boxes(image: Image.Image, bboxes: np.ndarray, color: Color, width: int = 3, dashed: bool = False) -> None:
    """Draw boxes around what they hold, so that small persons are not hidden, with a light edge for any ground.

    Args:
        image: Drawn on.
        bboxes: (n, 4) xyxy in pixels; what lies outside the image is drawn at its edge.
        color: RGB.
        width: Of the lines, in pixels.
        dashed: Dashes of the colour on white.
    """
    draw = ImageDraw.Draw(image)
    outwards = np.array([-width, -width, width - 1, width - 1])
    edge = (255, 255, 255) if width > 1 else (200, 200, 200)
    limits = np.array(image.size * 2) - 2
    for x1, y1, x2, y2 in np.clip(np.round(bboxes) + outwards, 1, limits).astype(int).tolist():
        draw.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline=edge, width=width + 1 + (width > 1))
        if not dashed:
            draw.rectangle((x1, y1, x2, y2), outline=color, width=width)
            continue
        for start, stop in _dashes(x1, x2):
            draw.rectangle((start, y1, stop, y1 + width - 1), fill=color)
            draw.rectangle((start, y2 - width + 1, stop, y2), fill=color)
        for start, stop in _dashes(y1, y2):
            draw.rectangle((x1, start, x1 + width - 1, stop), fill=color)
            draw.rectangle((x2 - width + 1, start, x2, stop), fill=color)


def _dashes(start: int, stop: int, length: int = 6) -> list[tuple[int, int]]:
    """First and last pixels of dashes along an edge; one begins and one ends it, so that corners are closed."""
    number = max(1, round((stop - start + 1) / length)) // 2 * 2 + 1
    ends = np.linspace(start, stop + 1, number + 1).round().astype(int)
    return [(int(a), max(int(a), int(b) - 1)) for a, b in zip(ends[:-1:2], ends[1::2])]


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
