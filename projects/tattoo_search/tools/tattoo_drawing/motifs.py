"""The shapes that tattoos are made of: each kind of motif, with proportions drawn from a generator.

A motif lies in the square -1..1, x to the right and y down. It is a list of parts, drawn in their order.
"""

from __future__ import annotations

from collections.abc import Callable
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


def _polar(angles: np.ndarray, radii: np.ndarray | float) -> Points:
    """Points at angles from above, clockwise."""
    return np.stack([radii * np.sin(angles), -radii * np.cos(angles)], axis=-1)


def _circle(x: float, y: float, radius: float) -> Points:
    return _polar(np.linspace(0, 2 * np.pi, 33)[:-1], radius) + np.array((x, y))


def _closed(points: Points) -> Points:
    return np.concatenate([points, points[:1]])


def _mirrored(parts: Parts) -> Parts:
    """The parts and their mirror images."""
    return [*parts, *(Part(part.points * (-1, 1), part.paint) for part in parts)]


def _turned(parts: Parts, angle: float) -> Parts:
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return [Part(part.points @ turn, part.paint) for part in parts]


def _around(parts: Parts, count: int, first: float = 0.0) -> Parts:
    """The parts ``count`` times around the middle."""
    return [one for i in range(count) for one in _turned(parts, first + 2 * np.pi * i / count)]


def _smooth(corners: list[tuple[float, float]]) -> Points:
    """A closed Catmull-Rom curve through the corners."""
    p = np.array(corners)
    before, after, second = (np.roll(p, shift, axis=0)[:, None] for shift in (1, -1, -2))
    p, t = p[:, None], np.linspace(0, 1, 9)[:-1, None]
    curve = 2 * p + (after - before) * t + (2 * before - 5 * p + 4 * after - second) * t**2
    return ((curve + (3 * p - before - 3 * after + second) * t**3) / 2).reshape(-1, 2)


def _curve(start: tuple[float, float], control: tuple[float, float], end: tuple[float, float]) -> Points:
    """A quadratic Bezier curve."""
    t = np.linspace(0, 1, 24)[:, None]
    return (1 - t) ** 2 * np.array(start) + 2 * t * (1 - t) * np.array(control) + t**2 * np.array(end)


def _ribbon(path: Points, widths: np.ndarray | float) -> Points:
    """The outline of a band along a path."""
    steps = np.gradient(path, axis=0)
    normals = np.stack([-steps[:, 1], steps[:, 0]], axis=1) / np.linalg.norm(steps, axis=1, keepdims=True)
    sides = normals * np.broadcast_to(np.asarray(widths) / 2, len(path))[:, None]
    return np.concatenate([path + sides, (path - sides)[::-1]])


def _bar(start: tuple[float, float], end: tuple[float, float], width: float) -> Points:
    return _ribbon(np.linspace(start, end, 2), width)


def _petal(start: float, end: float, width: float) -> Points:
    """A leaf from radius ``start`` to ``end``, pointing upwards."""
    t = np.linspace(0, 1, 16)
    return _ribbon(np.stack([0 * t, -(start + (end - start) * t)], axis=1), width * np.sin(np.pi * t) ** 0.7)


def _star(count: int, inner: float, radius: float = 1.0, x: float = 0.0, y: float = 0.0) -> Points:
    radii = np.where(np.arange(2 * count) % 2, inner, 1.0) * radius
    return _polar(np.arange(2 * count) * np.pi / count, radii) + np.array((x, y))


def star(rng: np.random.Generator) -> Parts:
    """A star, or two in each other."""
    count, inner = int(rng.integers(4, 9)), rng.uniform(0.35, 0.62)
    parts = [Part(_star(count, inner))]
    if rng.random() < 0.6:
        parts.append(Part(_star(count, inner, rng.uniform(0.4, 0.6)), str(rng.choice(("ink", "cut")))))
    return parts


def flower(rng: np.random.Generator) -> Parts:
    """Petals in one ring or two."""
    count, width = int(rng.integers(4, 10)), rng.uniform(0.8, 1.3)
    parts = _around([Part(_petal(0.15, 1.0, 2.6 * width / count))], count)
    if rng.random() < 0.6:
        parts += _around([Part(_petal(0.1, rng.uniform(0.5, 0.65), 2.0 * width / count))], count, np.pi / count)
    return [*parts, Part(_circle(0, 0, rng.uniform(0.12, 0.26)), "ink")]


def heart(rng: np.random.Generator) -> Parts:
    """A heart: plain, with a band, pierced or broken."""
    t = np.linspace(0, 2 * np.pi, 60)[:-1]
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 17
    parts = [Part(np.stack([rng.uniform(0.7, 1.0) * np.sin(t) ** 3, y], axis=1))]
    look = rng.choice(("plain", "band", "pierced", "broken"))
    slope = rng.uniform(-0.5, 0.5)
    if look == "band":
        band = _bar((-1.0, slope), (1.0, -slope), rng.uniform(0.25, 0.42))
        parts += [Part(band, "cut"), Part(_closed(band), "line")]
    elif look == "pierced":
        parts += [Part(np.array([(-1.0, slope), (1.0, -slope)]), "line")]
        parts += [Part(_bar((0.8, -0.8 * slope), (1.0, -slope), 0.3), "ink")]
    elif look == "broken":
        parts.append(Part(np.array([(0, -0.4), (0.2, -0.1), (-0.2, 0.15), (0.15, 0.4), (0, 0.9)]), "line"))
    return parts


def anchor(rng: np.random.Generator) -> Parts:
    """An anchor, some with a rope."""
    width, reach, stock = rng.uniform(0.1, 0.2), rng.uniform(0.5, 0.8), rng.uniform(0.3, 0.6)
    arms = _polar(np.linspace(0.55 * np.pi, 1.45 * np.pi, 24), reach) + np.array((0, 0.95 - reach))
    fluke = Part(_polar(np.array([-0.6, 0.1, 0.7]) * np.pi, rng.uniform(0.2, 0.3)) + arms[0], "ink")
    parts = [Part(_bar((0, -0.68), (0, 0.9), width)), Part(_bar((-stock, -0.38), (stock, -0.38), width))]
    parts += [Part(_ribbon(arms, width)), *_mirrored([fluke]), Part(_closed(_circle(0, -0.83, 0.16)), "line")]
    if rng.random() < 0.5:
        y = np.linspace(-0.6, 0.8, 40)
        parts.append(Part(np.stack([0.3 * np.sin(rng.uniform(7, 13) * y), y], axis=1), "line"))
    return parts


def sun(rng: np.random.Generator) -> Parts:
    """A disc with rays, some with a face."""
    count, core = int(rng.integers(7, 16)), rng.uniform(0.34, 0.55)
    ends = (1.0, rng.uniform(0.7, 1.0))
    half = 0.9 * np.pi / count
    rays = [Part(_polar(np.array([-half, 0, half]), np.array([core + 0.06, end, core + 0.06]))) for end in ends]
    parts = [ray for i in range(count) for ray in _turned([rays[i % 2]], 2 * np.pi * i / count)]
    parts.append(Part(_circle(0, 0, core)))
    if rng.random() < 0.5:
        eye = Part(_circle(0.35 * core, -0.2 * core, 0.13 * core), "ink")
        mouth = _polar(np.linspace(0.65 * np.pi, 1.35 * np.pi, 12), 0.55 * core)
        parts += [Part(_circle(0, 0, 0.85 * core), "cut"), *_mirrored([eye]), Part(mouth, "line")]
    return parts


def spiral(rng: np.random.Generator) -> Parts:
    """Arms that wind out of the middle, with dots at their ends."""
    t, turns = np.linspace(0.05, 1, 80), rng.uniform(0.8, 2.4)
    arm = _ribbon(_polar(2 * np.pi * turns * t, 0.92 * t), rng.uniform(0.1, 0.2) * np.sqrt(t))
    dot = Part(_circle(*_polar(np.array(2 * np.pi * turns), 0.88), rng.uniform(0.09, 0.16)), "ink")
    return _around([Part(arm, "ink"), dot], int(rng.integers(1, 5)))


def butterfly(rng: np.random.Generator) -> Parts:
    """Four wings with spots."""
    up, down, wide = rng.uniform(0.7, 1.0), rng.uniform(0.6, 1.0), rng.uniform(0.75, 1.0)
    upper = [(0.06, -0.02), (0.3, -0.7 * up), (0.85 * wide, -0.95 * up), (wide, -0.4), (0.5, 0.0)]
    lower = [(0.06, 0.04), (0.5, 0.08), (0.8 * wide, 0.4 * down), (0.5 * wide, 0.95 * down), (0.2, 0.5 * down)]
    parts = [Part(_smooth(upper)), Part(_smooth(lower))]
    for x, y, share in ((0.6, -0.55 * up, 0.6), (0.45, 0.45 * down, 0.6), (0.75, -0.35, 0.4)):
        if rng.random() < share:
            parts.append(Part(_circle(x * wide, y, rng.uniform(0.07, 0.17)), str(rng.choice(("ink", "cut")))))
    parts.append(Part(_curve((0.02, -0.3), (0.1, -0.7), (0.3, -0.95)), "line"))
    return [*_mirrored(parts), Part(_bar((0, -0.35), (0, 0.6), rng.uniform(0.1, 0.16)), "ink")]


def fish(rng: np.random.Generator) -> Parts:
    """A fish with ribs or stripes, to either side."""
    deep, tail = rng.uniform(0.35, 0.7), rng.uniform(0.3, 0.6)
    t = np.linspace(0, 1, 24)
    body = _ribbon(np.stack([-0.95 + 1.35 * t, 0 * t], axis=1), 2 * deep * np.sin(np.pi * t) ** 0.8)
    parts = [Part(np.array([(0.3, 0), (0.95, -tail), (0.8, 0), (0.95, tail)])), Part(body)]
    parts.append(Part(_smooth([(-0.4, -0.8 * deep), (-0.1, -deep - 0.3), (0.2, -0.5 * deep)])))
    for x in np.linspace(-0.35, 0.2, int(rng.integers(1, 6))):
        parts.append(Part(_curve((x, -0.7 * deep), (x + 0.15, 0), (x, 0.7 * deep)), "line"))
    parts += [Part(_circle(-0.65, -0.1, 0.11), "cut"), Part(_circle(-0.65, -0.1, 0.06), "ink")]
    return _facing(rng, parts)


def snake(rng: np.random.Generator) -> Parts:
    """A winding snake with bands, to either side."""
    x = np.linspace(-0.8, 0.85, 80)
    path = np.stack([x, rng.uniform(0.25, 0.55) * np.sin(rng.uniform(4, 11) * x)], axis=1)
    width = rng.uniform(0.16, 0.26)
    parts = [Part(_ribbon(path, width * np.linspace(1, 0.05, 80) ** 0.6))]
    for i in range(5, 70, int(rng.integers(6, 16))):
        parts.append(Part(_closed(_circle(*path[i], 0.2 * width)), "line"))
    head = path[0] - (0.03, 0)
    tongue = np.array([head, head - (0.16, 0), head - (0.2, 0.07), head - (0.16, 0), head - (0.2, -0.07)])
    parts += [Part(tongue, "line"), Part(_circle(*head, 0.85 * width)), Part(_circle(*head, 0.2 * width), "ink")]
    return _facing(rng, parts)


def dagger(rng: np.random.Generator) -> Parts:
    """A dagger, its blade straight or wavy."""
    wide, hilt = rng.uniform(0.12, 0.26), rng.uniform(-0.5, -0.2)
    y = np.linspace(hilt, 1, 40)
    waves = rng.uniform(0.05, 0.09) * np.sin(14 * y) if rng.random() < 0.4 else 0 * y
    blade = np.stack([waves, y], axis=1)
    guard = rng.uniform(0.3, 0.6)
    parts = [Part(_ribbon(blade, 2 * wide * np.linspace(1, 0, 40) ** 0.5)), Part(blade[:28], "line")]
    parts += [Part(_ribbon(_curve((-guard, hilt), (0, hilt + rng.uniform(-0.3, 0.3)), (guard, hilt)), 0.13), "ink")]
    parts += [Part(_bar((0, hilt), (0, -0.85), 0.15)), Part(_circle(0, -0.87, rng.uniform(0.1, 0.16)), "ink")]
    return parts


def moon(rng: np.random.Generator) -> Parts:
    """A crescent with stars, to either side."""
    shift, inner = rng.uniform(0.3, 0.6), rng.uniform(0.75, 0.95)
    x = (shift**2 + 1 - inner**2) / (2 * shift)
    tip, other = np.arctan2(np.sqrt(1 - x**2), x), np.arctan2(np.sqrt(1 - x**2), x - shift)
    outside, inside = np.linspace(tip, 2 * np.pi - tip, 40), np.linspace(2 * np.pi - other, other, 40)
    arcs = np.concatenate([np.exp(1j * outside), shift + inner * np.exp(1j * inside)])
    parts = [Part(np.stack([arcs.real, arcs.imag], axis=1))]
    for y in np.linspace(-0.45, 0.45, int(rng.integers(0, 4))):
        parts.append(Part(_star(5, 0.45, rng.uniform(0.12, 0.25), rng.uniform(0.5, 0.75), y), "ink"))
    return _facing(rng, parts)


def tribal(rng: np.random.Generator) -> Parts:
    """Curved blades, the left ones the right ones' mirror images."""
    t = np.linspace(0, 1, 24)
    blades = []
    for y in np.linspace(-0.6, 0.6, int(rng.integers(2, 5))):
        end = (rng.uniform(0.3, 0.95), y - 0.3)
        path = _curve((0.04, y), (rng.uniform(0.4, 1.1), y + rng.uniform(-0.9, 0.9)), end)
        blade = _ribbon(path, rng.uniform(0.16, 0.34) * np.sqrt(1 - t))
        blades.append(Part(np.clip(blade, -1, 1), "ink"))
    return _mirrored(blades)


def mandala(rng: np.random.Generator) -> Parts:
    """Rings of leaves, thorns and dots around a middle."""
    count = int(rng.integers(5, 13))
    parts: Parts = []
    edges = (1.0, rng.uniform(0.68, 0.8), rng.uniform(0.4, 0.5))
    for i, (outer, inner) in enumerate(zip(edges, (*edges[1:], 0.15))):
        look, middle = rng.choice(("leaves", "thorns", "dots")), (outer + inner) / 2
        width = 4.5 * middle / count
        thorn = np.array([(-width / 2, -inner), (0, -outer), (width / 2, -inner)])
        shape = {"leaves": _petal(inner, outer, width), "thorns": thorn}.get(str(look))
        dot = Part(_circle(0, -middle, min(0.4 * (outer - inner), 0.4 * width)), "ink")
        parts += _around([dot if shape is None else Part(shape)], count, (i % 2) * np.pi / count)
        parts.append(Part(_closed(_circle(0, 0, inner)), "line"))
    return [*parts, Part(_circle(0, 0, rng.uniform(0.08, 0.15)), "ink")]


def feather(rng: np.random.Generator) -> Parts:
    """A bent feather with its barbs, to either side."""
    axis = _curve((-0.3, 1), (rng.uniform(-0.3, 0.6), 0.2), (0.2, -1))
    t, wide = np.linspace(0, 1, 24), rng.uniform(0.45, 0.8)
    vane = _ribbon(axis[6:], wide * np.sin(np.pi * t[6:] ** rng.uniform(0.8, 1.6)) ** 0.6)
    parts = [Part(vane), Part(axis, "line")]
    for i in range(8, 22, int(rng.integers(2, 5))):
        half = 0.4 * wide * np.sin(np.pi * t[i])
        parts.append(Part(np.array([axis[i] + (half, -half), axis[i], axis[i] + (-half, -half)]), "line"))
    return _facing(rng, parts)


def runes(rng: np.random.Generator) -> Parts:
    """A row of signs of straight strokes."""
    count = int(rng.integers(3, 6))
    step, parts = 2 / count, []
    for left in -1 + step * np.arange(count):
        columns, rows = left + step * np.array([0.18, 0.5, 0.82]), np.array([-0.45, 0.0, 0.45])
        stem = columns[int(rng.integers(2))]
        parts.append(Part(_bar((stem, -0.45), (stem, 0.45), 0.1), "ink"))
        for _ in range(int(rng.integers(1, 4))):
            (x1, x2), (y1, y2) = rng.choice(columns, 2, replace=False), rng.choice(rows, 2)
            parts.append(Part(_bar((x1, y1), (x2, y2), 0.1), "ink"))
    return parts


def skull(rng: np.random.Generator) -> Parts:
    """A skull, some on crossed bones."""
    wide, jaw, eyes = rng.uniform(0.6, 0.8), rng.uniform(0.3, 0.45), rng.uniform(0.14, 0.22)
    parts: Parts = []
    if rng.random() < 0.5:
        parts += _mirrored([Part(_bar((-1, 0.25), (1, 0.95), 0.16))])
    parts.append(
        Part(_smooth([(0, -0.95), (wide, -0.4), (0.8 * wide, 0.15), (0, 0.3), (-0.8 * wide, 0.15), (-wide, -0.4)]))
    )
    parts.append(Part(np.array([(-jaw, 0.15), (jaw, 0.15), (0.85 * jaw, 0.85), (-0.85 * jaw, 0.85)])))
    for x in np.linspace(-0.6, 0.6, int(rng.integers(2, 6))) * jaw:
        parts.append(Part(np.array([(x, 0.45), (x, 0.82)]), "line"))
    eye = [Part(_circle(0.42 * wide, -0.2, eyes + 0.05), "cut"), Part(_circle(0.42 * wide, -0.2, eyes), "ink")]
    return [*parts, *_mirrored(eye), Part(np.array([(0, -0.02), (0.1, 0.2), (-0.1, 0.2)]), "ink")]


def _facing(rng: np.random.Generator, parts: Parts) -> Parts:
    """The parts or their mirror images."""
    return parts if rng.random() < 0.5 else [Part(part.points * (-1, 1), part.paint) for part in parts]


MOTIFS: dict[str, Callable[[np.random.Generator], Parts]] = {
    motif.__name__: motif
    for motif in (
        *(star, flower, heart, anchor, sun, spiral, butterfly, fish),
        *(snake, dagger, moon, tribal, mandala, feather, runes, skull),
    )
}


def _ring(rng: np.random.Generator) -> Parts:
    return [Part(_closed(_circle(0, 0, radius)), "line") for radius in (0.97, 0.87)[: int(rng.integers(1, 3))]]


def _dots(rng: np.random.Generator) -> Parts:
    dot = Part(_circle(0, -0.94, rng.uniform(0.04, 0.07)), "ink")
    return _around([dot], int(rng.integers(6, 15)))


def _rays(rng: np.random.Generator) -> Parts:
    ray = Part(np.array([(0, -0.82), (0, -1.0)]), "line")
    return _around([ray], int(rng.integers(10, 24)))


def _banner(rng: np.random.Generator) -> Parts:
    bend = rng.uniform(-0.2, 0.2)
    band = _ribbon(_curve((-1.0, 0.72), (0, 0.72 + bend), (1.0, 0.72)), rng.uniform(0.24, 0.34))
    parts = [Part(band, "cut"), Part(_closed(band), "line")]
    for x in np.linspace(-0.7, 0.7, int(rng.integers(4, 9))):
        parts.append(Part(np.array([(x, 0.66 + bend / 2), (x + 0.04, 0.78 + bend / 2)]), "line"))
    return parts


def _sparks(rng: np.random.Generator) -> Parts:
    spots = ((-0.85, -0.8), (0.85, -0.8), (-0.85, 0.8), (0.85, 0.8))
    chosen = rng.permutation(4)[: int(rng.integers(1, 5))]
    return [Part(_star(4, 0.3, 0.15, *spots[int(i)]), "ink") for i in chosen]


# What goes around a motif, and how much smaller the motif is for it.
ORNAMENTS: dict[str, tuple[float, Callable[[np.random.Generator], Parts]]] = {
    "none": (1.0, lambda rng: []),
    "ring": (0.78, _ring),
    "dots": (0.8, _dots),
    "rays": (0.75, _rays),
    "banner": (0.85, _banner),
    "sparks": (0.88, _sparks),
}


def draw_parts(kind: str, ornament: str, seed: int) -> Parts:
    """The parts of a tattoo.

    Args:
        kind: One of ``MOTIFS``.
        ornament: One of ``ORNAMENTS``.
        seed: Of the proportions.
    """
    rng = np.random.default_rng(seed)
    scale, draw_ornament = ORNAMENTS[ornament]
    parts = [Part(part.points * scale, part.paint) for part in MOTIFS[kind](rng)]
    return [*parts, *draw_ornament(rng)]
