"""Draws the things that stand about and hide who is behind them."""

from __future__ import annotations

import numpy as np

from .sprites import Color, Pen, Sprite


def draw_prop(kind: str, color: Color, height: float) -> Sprite:
    """Draw a thing that stands about and hides who is behind it.

    Args:
        kind: One of ``PROPS``.
        color: (3,) RGB in 0..1.
        height: Pixels of a person who stands at the same place.
    """
    pen = Pen(height, aspect=1.4)
    PROPS[kind](pen, np.asarray(color))
    return pen.sprite()


def _post(pen: Pen, color: Color) -> None:
    pen.limb((0, -0.02), (0, 0.98), 0.06, 0.07, color)
    pen.box((0, 0.96), (0.06, 0.04), color * 0.7)


def _bin(pen: Pen, color: Color) -> None:
    pen.polygon([(-0.15, 0.52), (0.15, 0.52), (0.12, 1.0), (-0.12, 1.0)], color)
    pen.box((0, 0.51), (0.17, 0.03), color * 0.7, corner=0.02)


def _bush(pen: Pen, color: Color) -> None:
    for i, (x, y, r) in enumerate(((-0.22, 0.84, 0.17), (0.2, 0.83, 0.18), (0.0, 0.75, 0.2), (0.05, 0.88, 0.15))):
        pen.ellipse((x, y), (r, r * 0.85), color * (0.8 + 0.12 * i))


def _barrier(pen: Pen, color: Color) -> None:
    for x in (-0.5, 0.0, 0.5):
        pen.limb((x, 0.55), (x, 1.0), 0.035, 0.035, color * 0.8)
    for y in (0.57, 0.74):
        pen.limb((-0.58, y), (0.58, y), 0.05, 0.05, color)


def _sign(pen: Pen, color: Color) -> None:
    pen.limb((0, 0.1), (0, 0.99), 0.03, 0.03, np.full(3, 0.45))
    pen.box((0, 0.17), (0.13, 0.13), color, corner=0.03)
    pen.box((0, 0.17), (0.09, 0.03), np.full(3, 0.9))


def _board(pen: Pen, color: Color) -> None:
    pen.box((0, 0.74), (0.17, 0.26), color, corner=0.01)
    pen.box((0, 0.66), (0.13, 0.12), np.full(3, 0.85))


PROPS = {"post": _post, "bin": _bin, "bush": _bush, "barrier": _barrier, "sign": _sign, "board": _board}
