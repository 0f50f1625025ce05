"""Draws shapes as a small picture with transparency.

Lengths are in units of a person's height: x to the right from the middle, y down from the crown (0) to the soles (1).
Everything is drawn ``SUPERSAMPLING`` times too large and reduced, so that edges are smooth.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

SUPERSAMPLING = 3
_MARGIN = 0.04  # room above the crown and below the soles
_NECK = 0.165

Color = np.ndarray
Point = tuple[float, float]
Texture = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Sprite:
    """A picture with transparency and the point of it that stands on the ground.

    Attributes:
        rgb: (h, w, 3) float32 in 0..1, not multiplied by ``alpha``.
        alpha: (h, w) float32 in 0..1.
        foot: x, y of the point on the ground, in pixels of the picture.
    """

    rgb: np.ndarray
    alpha: np.ndarray
    foot: tuple[int, int]


class Pen:
    """Draw in units of the person's height on a transparent picture, from the crown down to ``reach``.

    What is drawn for a waist at 0.5 is stretched and shrunk below the neck, so that it is at ``waist``.
    """

    def __init__(self, height: float, aspect: float, reach: float = 1.0, waist: float = 0.5) -> None:
        self.drawn, self.seen = (-1.0, _NECK, 0.5, 1.0, 2.0), (-1.0, _NECK, waist, 1.0, 2.0)
        self.foot = (math.ceil(height * aspect / 2), math.ceil(height * (1 + _MARGIN)))
        size = (2 * self.foot[0] + 1, math.ceil(height * (reach + _MARGIN)) + math.ceil(height * _MARGIN) + 1)
        self.unit = height * SUPERSAMPLING
        self.origin = ((self.foot[0] + 0.5) * SUPERSAMPLING, self.foot[1] * SUPERSAMPLING - self.unit)
        self.image = Image.new("RGBA", (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING))
        self.draw = ImageDraw.Draw(self.image)

    def at(self, point: Point) -> Point:
        """Return the pixel of a point."""
        y = point[1] if self.drawn == self.seen else float(np.interp(point[1], self.drawn, self.seen))
        return self.origin[0] + point[0] * self.unit, self.origin[1] + y * self.unit

    def polygon(self, points: list[Point], color: Color) -> None:
        """Fill a polygon."""
        self.draw.polygon([self.at(point) for point in points], fill=_rgba(color))

    def ellipse(self, center: Point, radii: Point, color: Color) -> None:
        """Fill an ellipse."""
        (x, y), (rx, ry) = self.at(center), (radii[0] * self.unit, radii[1] * self.unit)
        self.draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=_rgba(color))

    def box(self, center: Point, radii: Point, color: Color, corner: float = 0.0) -> None:
        """Fill a rectangle with rounded corners."""
        (x, y), (rx, ry) = self.at(center), (radii[0] * self.unit, radii[1] * self.unit)
        self.draw.rounded_rectangle((x - rx, y - ry, x + rx, y + ry), corner * self.unit, fill=_rgba(color))

    def limb(self, start: Point, end: Point, start_width: float, end_width: float, color: Color) -> None:
        """A rounded bar that tapers from ``start_width`` to ``end_width``."""
        dx, dy = end[0] - start[0], end[1] - start[1]
        length = math.hypot(dx, dy) or 1.0
        nx, ny = -dy / length / 2, dx / length / 2
        self.polygon(
            [
                (start[0] + nx * start_width, start[1] + ny * start_width),
                (end[0] + nx * end_width, end[1] + ny * end_width),
                (end[0] - nx * end_width, end[1] - ny * end_width),
                (start[0] - nx * start_width, start[1] - ny * start_width),
            ],
            color,
        )
        self.ellipse(start, (start_width / 2, start_width / 2), color)
        self.ellipse(end, (end_width / 2, end_width / 2), color)

    def cloth(self, points: list[Point], texture: Texture) -> None:
        """A polygon filled with ``texture(x, y) -> (..., 3)``, x and y in units of the person's height."""
        pixels = [self.at(point) for point in points]
        left, top = (math.floor(min(values)) for values in zip(*pixels))
        right, bottom = (math.ceil(max(values)) + 1 for values in zip(*pixels))
        mask = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in pixels], fill=255)
        x = (np.arange(left, right) + 0.5 - self.origin[0]) / self.unit
        y = (np.arange(top, bottom) + 0.5 - self.origin[1]) / self.unit
        y = y if self.drawn == self.seen else np.interp(y, self.seen, self.drawn)
        rgb = texture(x[None, :], y[:, None])
        fill = Image.fromarray(np.round(np.clip(rgb, 0, 1) * 255).astype(np.uint8)).convert("RGBA")
        self.image.paste(fill, (left, top), mask)

    def sprite(self) -> Sprite:
        """Return what was drawn, at its size."""
        small = np.asarray(self.image.reduce(SUPERSAMPLING), dtype=np.float32) / 255
        return Sprite(small[..., :3], small[..., 3], self.foot)


def _rgba(color: Color) -> tuple[int, int, int, int]:
    red, green, blue = (round(float(value) * 255) for value in np.clip(color, 0, 1))
    return red, green, blue, 255
