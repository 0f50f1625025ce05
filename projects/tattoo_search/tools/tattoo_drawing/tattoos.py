"""Single tattoos: what tells one from another, and what each looks like on a sheet of paper."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

from .motifs import MOTIFS, draw_parts
from .ornaments import ORNAMENTS
from .shapes import Part

# RGB in 0..1. Few inks for many tattoos, most of them black or faded black.
INKS = np.array([(0.08, 0.09, 0.11), (0.16, 0.22, 0.32), (0.15, 0.25, 0.22), (0.24, 0.15, 0.12), (0.58, 0.10, 0.12)])
INK_SHARES = (0.45, 0.25, 0.14, 0.08, 0.08)
COLOURS = np.array([(0.75, 0.15, 0.15), (0.15, 0.35, 0.65), (0.15, 0.50, 0.28), (0.85, 0.62, 0.15), (0.45, 0.20, 0.55)])
STYLES = ("outline", "solid", "hatched", "coloured")
STYLE_SHARES = (0.34, 0.26, 0.22, 0.18)
UNLABELLED = -1
REACH = 1.1  # half of a sheet's side, in units of the tattoo's radius

_SUPERSAMPLING = 3


@dataclass(frozen=True)
class Tattoo:
    """What one tattoo looks like in every photo. Ink and colour are indices into this module's tables.

    Attributes:
        number: The data set's own number of the identity; -1 for an unlabelled tattoo.
        kind: One of ``MOTIFS``.
        ornament: One of ``ORNAMENTS``.
        style: One of ``STYLES``: how areas are filled.
        ink: Of lines and areas.
        colour: Of areas in the style ``'coloured'``.
        line: Width of lines, in units of the tattoo's radius.
        seed: Of the proportions.
    """

    number: int
    kind: str
    ornament: str
    style: str
    ink: int
    colour: int
    line: float
    seed: int


def draw_tattoo(rng: np.random.Generator, number: int) -> Tattoo:
    """Draws one tattoo, every attribute on its own."""
    return Tattoo(
        number=number,
        kind=str(rng.choice(list(MOTIFS))),
        ornament="none" if rng.random() < 0.4 else str(rng.choice([name for name in ORNAMENTS if name != "none"])),
        style=str(rng.choice(STYLES, p=STYLE_SHARES)),
        ink=int(rng.choice(len(INKS), p=INK_SHARES)),
        colour=int(rng.integers(len(COLOURS))),
        line=float(rng.uniform(0.045, 0.085)),
        seed=int(rng.integers(2**31)),
    )


def draw_look_alike(rng: np.random.Generator, tattoo: Tattoo) -> Tattoo:
    """Draws an unlabelled tattoo of the same kind, style and ink in other proportions."""
    return replace(tattoo, number=UNLABELLED, seed=int(rng.integers(2**31)), line=float(rng.uniform(0.045, 0.085)))


def draw_sheet(tattoo: Tattoo, radius: float) -> np.ndarray:
    """Draws a tattoo on a transparent sheet.

    Args:
        tattoo: Which one.
        radius: Pixels from its middle to the edge of the square that holds it.

    Returns:
        (n, n, 4) float32 RGB and share of ink, in 0..1; the sheet reaches ``REACH`` radii from the middle.
    """
    pen = _Pen(tattoo, radius)
    for part in draw_parts(tattoo.kind, tattoo.ornament, tattoo.seed):
        pen.draw(part)
    return np.asarray(pen.image.reduce(_SUPERSAMPLING), dtype=np.float32) / 255


class _Pen:
    """Draws parts in one tattoo's style."""

    def __init__(self, tattoo: Tattoo, radius: float) -> None:
        self.side = 2 * int(np.ceil(radius * REACH)) * _SUPERSAMPLING
        self.unit = self.side / (2 * REACH)
        self.ink, self.bare = _rgba(INKS[tattoo.ink], 1.0), _rgba(INKS[tattoo.ink], 0.0)
        self.width = max(1, round(tattoo.line * self.unit))
        self.filling = self._filling(tattoo)
        self.image = Image.new("RGBA", (self.side, self.side), self.bare)

    def draw(self, part: Part) -> None:
        points = [tuple(point) for point in (self.side / 2 + part.points * self.unit).tolist()]
        pen = ImageDraw.Draw(self.image)
        if part.paint == "line":
            pen.line(points, self.ink, self.width, joint="curve")
        elif part.paint == "fill":
            mask = Image.new("1", self.image.size)
            ImageDraw.Draw(mask).polygon(points, fill=1)
            self.image.paste(self.filling, (0, 0), mask)
            pen.line([*points, points[0]], self.ink, self.width, joint="curve")
        else:
            pen.polygon(points, self.ink if part.paint == "ink" else self.bare)

    def _filling(self, tattoo: Tattoo) -> Image.Image:
        """What areas show: bare skin, ink, a colour, or slanting lines."""
        size = (self.side, self.side)
        if tattoo.style == "coloured":
            return Image.new("RGBA", size, _rgba(COLOURS[tattoo.colour], 0.8))
        filling = Image.new("RGBA", size, self.ink if tattoo.style == "solid" else self.bare)
        if tattoo.style == "hatched":
            pen = ImageDraw.Draw(filling)
            for x in np.arange(-self.side, self.side, 0.16 * self.unit):
                pen.line((x, self.side, x + self.side, 0), self.ink, max(1, round(0.05 * self.unit)))
        return filling


def _rgba(colour: np.ndarray, alpha: float) -> tuple[int, int, int, int]:
    red, green, blue, opacity = (round(255 * float(value)) for value in (*colour, alpha))
    return red, green, blue, opacity
