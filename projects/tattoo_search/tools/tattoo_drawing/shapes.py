"""Curves and outlines that motifs are made of, in the square -1..1, x to the right and y down."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Points = np.ndarray  # (N, 2)


class Part(NamedTuple):
    """One shape of a motif.

    Attributes:
        points: (N, 2).
        paint: ``'fill'``, an area in the tattoo's own style; ``'ink'``, an area all of ink; ``'cut'``, an area of
            bare skin; ``'line'``, a stroke.
    """

    points: Points
    paint: str = "fill"


Parts = list[Part]


def polar(angles: np.ndarray, radii: np.ndarray | float) -> Points:
    """Points at angles from above, clockwise."""
    return np.stack([radii * np.sin(angles), -radii * np.cos(angles)], axis=-1)


def circle(x: float, y: float, radius: float) -> Points:
    """A circle of 32 points."""
    return polar(np.linspace(0, 2 * np.pi, 33)[:-1], radius) + np.array((x, y))


def closed(points: Points) -> Points:
    """The points with the first one again at the end."""
    return np.concatenate([points, points[:1]])


def mirrored(parts: Parts) -> Parts:
    """The parts and their mirror images."""
    return [*parts, *(Part(part.points * (-1, 1), part.paint) for part in parts)]


def turned(parts: Parts, angle: float) -> Parts:
    """The parts turned clockwise by an angle in radians."""
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return [Part(part.points @ turn, part.paint) for part in parts]


def around(parts: Parts, count: int, first: float = 0.0) -> Parts:
    """The parts ``count`` times around the middle."""
    return [one for i in range(count) for one in turned(parts, first + 2 * np.pi * i / count)]


def smooth(corners: list[tuple[float, float]]) -> Points:
    """A closed Catmull-Rom curve through the corners."""
    p = np.array(corners)
    before, after, second = (np.roll(p, shift, axis=0)[:, None] for shift in (1, -1, -2))
    p, t = p[:, None], np.linspace(0, 1, 9)[:-1, None]
    curve = 2 * p + (after - before) * t + (2 * before - 5 * p + 4 * after - second) * t**2
    return ((curve + (3 * p - before - 3 * after + second) * t**3) / 2).reshape(-1, 2)


def curve(start: tuple[float, float], control: tuple[float, float], end: tuple[float, float]) -> Points:
    """A quadratic Bezier curve."""
    t = np.linspace(0, 1, 24)[:, None]
    return (1 - t) ** 2 * np.array(start) + 2 * t * (1 - t) * np.array(control) + t**2 * np.array(end)


def ribbon(path: Points, widths: np.ndarray | float) -> Points:
    """The outline of a band along a path."""
    steps = np.gradient(path, axis=0)
    normals = np.stack([-steps[:, 1], steps[:, 0]], axis=1) / np.linalg.norm(steps, axis=1, keepdims=True)
    sides = normals * np.broadcast_to(np.asarray(widths) / 2, len(path))[:, None]
    return np.concatenate([path + sides, (path - sides)[::-1]])


def bar(start: tuple[float, float], end: tuple[float, float], width: float) -> Points:
    """The outline of a straight band."""
    return ribbon(np.linspace(start, end, 2), width)


def petal(start: float, end: float, width: float) -> Points:
    """A leaf from radius ``start`` to ``end``, pointing upwards."""
    t = np.linspace(0, 1, 16)
    return ribbon(np.stack([0 * t, -(start + (end - start) * t)], axis=1), width * np.sin(np.pi * t) ** 0.7)


def star_outline(count: int, inner: float, radius: float = 1.0, x: float = 0.0, y: float = 0.0) -> Points:
    """A star of ``count`` tips."""
    radii = np.where(np.arange(2 * count) % 2, inner, 1.0) * radius
    return polar(np.arange(2 * count) * np.pi / count, radii) + np.array((x, y))
