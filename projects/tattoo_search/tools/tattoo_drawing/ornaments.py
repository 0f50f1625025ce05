"""What surrounds a motif: rings, dots, rays, a banner, sparks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .shapes import Part, Parts, around, circle, closed, curve, ribbon, star_outline


def _ring(rng: np.random.Generator) -> Parts:
    return [Part(closed(circle(0, 0, radius)), "line") for radius in (0.97, 0.87)[: int(rng.integers(1, 3))]]


def _dots(rng: np.random.Generator) -> Parts:
    dot = Part(circle(0, -0.94, rng.uniform(0.04, 0.07)), "ink")
    return around([dot], int(rng.integers(6, 15)))


def _rays(rng: np.random.Generator) -> Parts:
    ray = Part(np.array([(0, -0.82), (0, -1.0)]), "line")
    return around([ray], int(rng.integers(10, 24)))


def _banner(rng: np.random.Generator) -> Parts:
    bend = rng.uniform(-0.2, 0.2)
    band = ribbon(curve((-1.0, 0.72), (0, 0.72 + bend), (1.0, 0.72)), rng.uniform(0.24, 0.34))
    parts = [Part(band, "cut"), Part(closed(band), "line")]
    for x in np.linspace(-0.7, 0.7, int(rng.integers(4, 9))):
        parts.append(Part(np.array([(x, 0.66 + bend / 2), (x + 0.04, 0.78 + bend / 2)]), "line"))
    return parts


def _sparks(rng: np.random.Generator) -> Parts:
    spots = ((-0.85, -0.8), (0.85, -0.8), (-0.85, 0.8), (0.85, 0.8))
    chosen = rng.permutation(4)[: int(rng.integers(1, 5))]
    return [Part(star_outline(4, 0.3, 0.15, *spots[int(i)]), "ink") for i in chosen]


# What goes around a motif, and how much smaller the motif is for it.
ORNAMENTS: dict[str, tuple[float, Callable[[np.random.Generator], Parts]]] = {
    "none": (1.0, lambda rng: []),
    "ring": (0.78, _ring),
    "dots": (0.8, _dots),
    "rays": (0.75, _rays),
    "banner": (0.85, _banner),
    "sparks": (0.88, _sparks),
}
