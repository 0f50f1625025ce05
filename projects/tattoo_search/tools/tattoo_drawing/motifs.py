"""The shapes that tattoos are made of: each kind of motif, with proportions drawn from a generator.

A motif lies in the square -1..1, x to the right and y down. It is a list of parts, drawn in their order.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .ornaments import ORNAMENTS
from .shapes import (
    Part,
    Parts,
    around,
    bar,
    circle,
    closed,
    curve,
    mirrored,
    petal,
    polar,
    ribbon,
    smooth,
    star_outline,
    turned,
)


def star(rng: np.random.Generator) -> Parts:
    """A star, or two in each other."""
    count, inner = int(rng.integers(4, 9)), rng.uniform(0.35, 0.62)
    parts = [Part(star_outline(count, inner))]
    if rng.random() < 0.6:
        parts.append(Part(star_outline(count, inner, rng.uniform(0.4, 0.6)), str(rng.choice(("ink", "cut")))))
    return parts


def flower(rng: np.random.Generator) -> Parts:
    """Petals in one ring or two."""
    count, width = int(rng.integers(4, 10)), rng.uniform(0.8, 1.3)
    parts = around([Part(petal(0.15, 1.0, 2.6 * width / count))], count)
    if rng.random() < 0.6:
        parts += around([Part(petal(0.1, rng.uniform(0.5, 0.65), 2.0 * width / count))], count, np.pi / count)
    return [*parts, Part(circle(0, 0, rng.uniform(0.12, 0.26)), "ink")]


def heart(rng: np.random.Generator) -> Parts:
    """A heart: plain, with a band, pierced or broken."""
    t = np.linspace(0, 2 * np.pi, 60)[:-1]
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 17
    parts = [Part(np.stack([rng.uniform(0.7, 1.0) * np.sin(t) ** 3, y], axis=1))]
    look = rng.choice(("plain", "band", "pierced", "broken"))
    slope = rng.uniform(-0.5, 0.5)
    if look == "band":
        band = bar((-1.0, slope), (1.0, -slope), rng.uniform(0.25, 0.42))
        parts += [Part(band, "cut"), Part(closed(band), "line")]
    elif look == "pierced":
        parts += [Part(np.array([(-1.0, slope), (1.0, -slope)]), "line")]
        parts += [Part(bar((0.8, -0.8 * slope), (1.0, -slope), 0.3), "ink")]
    elif look == "broken":
        parts.append(Part(np.array([(0, -0.4), (0.2, -0.1), (-0.2, 0.15), (0.15, 0.4), (0, 0.9)]), "line"))
    return parts


def anchor(rng: np.random.Generator) -> Parts:
    """An anchor, some with a rope."""
    width, reach, stock = rng.uniform(0.1, 0.2), rng.uniform(0.5, 0.8), rng.uniform(0.3, 0.6)
    arms = polar(np.linspace(0.55 * np.pi, 1.45 * np.pi, 24), reach) + np.array((0, 0.95 - reach))
    fluke = Part(polar(np.array([-0.6, 0.1, 0.7]) * np.pi, rng.uniform(0.2, 0.3)) + arms[0], "ink")
    parts = [Part(bar((0, -0.68), (0, 0.9), width)), Part(bar((-stock, -0.38), (stock, -0.38), width))]
    parts += [Part(ribbon(arms, width)), *mirrored([fluke]), Part(closed(circle(0, -0.83, 0.16)), "line")]
    if rng.random() < 0.5:
        y = np.linspace(-0.6, 0.8, 40)
        parts.append(Part(np.stack([0.3 * np.sin(rng.uniform(7, 13) * y), y], axis=1), "line"))
    return parts


def sun(rng: np.random.Generator) -> Parts:
    """A disc with rays, some with a face."""
    count, core = int(rng.integers(7, 16)), rng.uniform(0.34, 0.55)
    ends = (1.0, rng.uniform(0.7, 1.0))
    half = 0.9 * np.pi / count
    rays = [Part(polar(np.array([-half, 0, half]), np.array([core + 0.06, end, core + 0.06]))) for end in ends]
    parts = [ray for i in range(count) for ray in turned([rays[i % 2]], 2 * np.pi * i / count)]
    parts.append(Part(circle(0, 0, core)))
    if rng.random() < 0.5:
        eye = Part(circle(0.35 * core, -0.2 * core, 0.13 * core), "ink")
        mouth = polar(np.linspace(0.65 * np.pi, 1.35 * np.pi, 12), 0.55 * core)
        parts += [Part(circle(0, 0, 0.85 * core), "cut"), *mirrored([eye]), Part(mouth, "line")]
    return parts


def spiral(rng: np.random.Generator) -> Parts:
    """Arms that wind out of the middle, with dots at their ends."""
    t, turns = np.linspace(0.05, 1, 80), rng.uniform(0.8, 2.4)
    arm = ribbon(polar(2 * np.pi * turns * t, 0.92 * t), rng.uniform(0.1, 0.2) * np.sqrt(t))
    dot = Part(circle(*polar(np.array(2 * np.pi * turns), 0.88), rng.uniform(0.09, 0.16)), "ink")
    return around([Part(arm, "ink"), dot], int(rng.integers(1, 5)))


def butterfly(rng: np.random.Generator) -> Parts:
    """Four wings with spots."""
    up, down, wide = rng.uniform(0.7, 1.0), rng.uniform(0.6, 1.0), rng.uniform(0.75, 1.0)
    upper = [(0.06, -0.02), (0.3, -0.7 * up), (0.85 * wide, -0.95 * up), (wide, -0.4), (0.5, 0.0)]
    lower = [(0.06, 0.04), (0.5, 0.08), (0.8 * wide, 0.4 * down), (0.5 * wide, 0.95 * down), (0.2, 0.5 * down)]
    parts = [Part(smooth(upper)), Part(smooth(lower))]
    for x, y, share in ((0.6, -0.55 * up, 0.6), (0.45, 0.45 * down, 0.6), (0.75, -0.35, 0.4)):
        if rng.random() < share:
            parts.append(Part(circle(x * wide, y, rng.uniform(0.07, 0.17)), str(rng.choice(("ink", "cut")))))
    parts.append(Part(curve((0.02, -0.3), (0.1, -0.7), (0.3, -0.95)), "line"))
    return [*mirrored(parts), Part(bar((0, -0.35), (0, 0.6), rng.uniform(0.1, 0.16)), "ink")]


def fish(rng: np.random.Generator) -> Parts:
    """A fish with ribs or stripes, to either side."""
    deep, tail = rng.uniform(0.35, 0.7), rng.uniform(0.3, 0.6)
    t = np.linspace(0, 1, 24)
    body = ribbon(np.stack([-0.95 + 1.35 * t, 0 * t], axis=1), 2 * deep * np.sin(np.pi * t) ** 0.8)
    parts = [Part(np.array([(0.3, 0), (0.95, -tail), (0.8, 0), (0.95, tail)])), Part(body)]
    parts.append(Part(smooth([(-0.4, -0.8 * deep), (-0.1, -deep - 0.3), (0.2, -0.5 * deep)])))
    for x in np.linspace(-0.35, 0.2, int(rng.integers(1, 6))):
        parts.append(Part(curve((x, -0.7 * deep), (x + 0.15, 0), (x, 0.7 * deep)), "line"))
    parts += [Part(circle(-0.65, -0.1, 0.11), "cut"), Part(circle(-0.65, -0.1, 0.06), "ink")]
    return _facing(rng, parts)


def snake(rng: np.random.Generator) -> Parts:
    """A winding snake with bands, to either side."""
    x = np.linspace(-0.8, 0.85, 80)
    path = np.stack([x, rng.uniform(0.25, 0.55) * np.sin(rng.uniform(4, 11) * x)], axis=1)
    width = rng.uniform(0.16, 0.26)
    parts = [Part(ribbon(path, width * np.linspace(1, 0.05, 80) ** 0.6))]
    for i in range(5, 70, int(rng.integers(6, 16))):
        parts.append(Part(closed(circle(*path[i], 0.2 * width)), "line"))
    head = path[0] - (0.03, 0)
    tongue = np.array([head, head - (0.16, 0), head - (0.2, 0.07), head - (0.16, 0), head - (0.2, -0.07)])
    parts += [Part(tongue, "line"), Part(circle(*head, 0.85 * width)), Part(circle(*head, 0.2 * width), "ink")]
    return _facing(rng, parts)


def dagger(rng: np.random.Generator) -> Parts:
    """A dagger, its blade straight or wavy."""
    wide, hilt = rng.uniform(0.12, 0.26), rng.uniform(-0.5, -0.2)
    y = np.linspace(hilt, 1, 40)
    waves = rng.uniform(0.05, 0.09) * np.sin(14 * y) if rng.random() < 0.4 else 0 * y
    blade = np.stack([waves, y], axis=1)
    guard = rng.uniform(0.3, 0.6)
    parts = [Part(ribbon(blade, 2 * wide * np.linspace(1, 0, 40) ** 0.5)), Part(blade[:28], "line")]
    parts += [Part(ribbon(curve((-guard, hilt), (0, hilt + rng.uniform(-0.3, 0.3)), (guard, hilt)), 0.13), "ink")]
    parts += [Part(bar((0, hilt), (0, -0.85), 0.15)), Part(circle(0, -0.87, rng.uniform(0.1, 0.16)), "ink")]
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
        parts.append(Part(star_outline(5, 0.45, rng.uniform(0.12, 0.25), rng.uniform(0.5, 0.75), y), "ink"))
    return _facing(rng, parts)


def tribal(rng: np.random.Generator) -> Parts:
    """Curved blades, the left ones the right ones' mirror images."""
    t = np.linspace(0, 1, 24)
    blades = []
    for y in np.linspace(-0.6, 0.6, int(rng.integers(2, 5))):
        end = (rng.uniform(0.3, 0.95), y - 0.3)
        path = curve((0.04, y), (rng.uniform(0.4, 1.1), y + rng.uniform(-0.9, 0.9)), end)
        blade = ribbon(path, rng.uniform(0.16, 0.34) * np.sqrt(1 - t))
        blades.append(Part(np.clip(blade, -1, 1), "ink"))
    return mirrored(blades)


def mandala(rng: np.random.Generator) -> Parts:
    """Rings of leaves, thorns and dots around a middle."""
    count = int(rng.integers(5, 13))
    parts: Parts = []
    edges = (1.0, rng.uniform(0.68, 0.8), rng.uniform(0.4, 0.5))
    for i, (outer, inner) in enumerate(zip(edges, (*edges[1:], 0.15))):
        look, middle = rng.choice(("leaves", "thorns", "dots")), (outer + inner) / 2
        width = 4.5 * middle / count
        thorn = np.array([(-width / 2, -inner), (0, -outer), (width / 2, -inner)])
        shape = {"leaves": petal(inner, outer, width), "thorns": thorn}.get(str(look))
        dot = Part(circle(0, -middle, min(0.4 * (outer - inner), 0.4 * width)), "ink")
        parts += around([dot if shape is None else Part(shape)], count, (i % 2) * np.pi / count)
        parts.append(Part(closed(circle(0, 0, inner)), "line"))
    return [*parts, Part(circle(0, 0, rng.uniform(0.08, 0.15)), "ink")]


def feather(rng: np.random.Generator) -> Parts:
    """A bent feather with its barbs, to either side."""
    axis = curve((-0.3, 1), (rng.uniform(-0.3, 0.6), 0.2), (0.2, -1))
    t, wide = np.linspace(0, 1, 24), rng.uniform(0.45, 0.8)
    vane = ribbon(axis[6:], wide * np.sin(np.pi * t[6:] ** rng.uniform(0.8, 1.6)) ** 0.6)
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
        parts.append(Part(bar((stem, -0.45), (stem, 0.45), 0.1), "ink"))
        for _ in range(int(rng.integers(1, 4))):
            (x1, x2), (y1, y2) = rng.choice(columns, 2, replace=False), rng.choice(rows, 2)
            parts.append(Part(bar((x1, y1), (x2, y2), 0.1), "ink"))
    return parts


def skull(rng: np.random.Generator) -> Parts:
    """A skull, some on crossed bones."""
    wide, jaw, eyes = rng.uniform(0.6, 0.8), rng.uniform(0.3, 0.45), rng.uniform(0.14, 0.22)
    parts: Parts = []
    if rng.random() < 0.5:
        parts += mirrored([Part(bar((-1, 0.25), (1, 0.95), 0.16))])
    parts.append(
        Part(smooth([(0, -0.95), (wide, -0.4), (0.8 * wide, 0.15), (0, 0.3), (-0.8 * wide, 0.15), (-wide, -0.4)]))
    )
    parts.append(Part(np.array([(-jaw, 0.15), (jaw, 0.15), (0.85 * jaw, 0.85), (-0.85 * jaw, 0.85)])))
    for x in np.linspace(-0.6, 0.6, int(rng.integers(2, 6))) * jaw:
        parts.append(Part(np.array([(x, 0.45), (x, 0.82)]), "line"))
    eye = [Part(circle(0.42 * wide, -0.2, eyes + 0.05), "cut"), Part(circle(0.42 * wide, -0.2, eyes), "ink")]
    return [*parts, *mirrored(eye), Part(np.array([(0, -0.02), (0.1, 0.2), (-0.1, 0.2)]), "ink")]


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
