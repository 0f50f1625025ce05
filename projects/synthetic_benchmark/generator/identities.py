"""Who walks through the synthetic scenes: clothes, build, near twins and look-alike passers-by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .faces import Face

# RGB in 0..1. Ten tops and seven bottoms for 210 identities: many share one, and both cost about 3 identities each.
TOPS = np.array(
    [
        (0.80, 0.12, 0.14),  # red
        (0.13, 0.28, 0.75),  # blue
        (0.12, 0.52, 0.22),  # green
        (0.92, 0.78, 0.15),  # yellow
        (0.93, 0.93, 0.92),  # white
        (0.09, 0.09, 0.11),  # black
        (0.50, 0.50, 0.53),  # grey
        (0.46, 0.17, 0.58),  # purple
        (0.93, 0.48, 0.12),  # orange
        (0.93, 0.55, 0.68),  # pink
    ]
)
BOTTOMS = np.array(
    [
        (0.10, 0.10, 0.12),  # black
        (0.12, 0.16, 0.36),  # navy
        (0.38, 0.55, 0.78),  # light jeans
        (0.45, 0.46, 0.48),  # grey
        (0.68, 0.60, 0.40),  # khaki
        (0.88, 0.86, 0.80),  # off-white
        (0.40, 0.14, 0.14),  # maroon
    ]
)
SKINS = np.array([(0.96, 0.80, 0.69), (0.87, 0.67, 0.52), (0.66, 0.45, 0.31), (0.40, 0.26, 0.18)])
HAIRS = np.array([(0.08, 0.07, 0.07), (0.30, 0.18, 0.10), (0.80, 0.64, 0.32), (0.60, 0.22, 0.10), (0.62, 0.62, 0.62)])
BAGS = np.array([(0.10, 0.10, 0.10), (0.55, 0.32, 0.14), (0.75, 0.10, 0.12), (0.12, 0.45, 0.50), (0.85, 0.80, 0.65)])
SHOES = np.array([(0.08, 0.08, 0.08), (0.92, 0.92, 0.92), (0.42, 0.26, 0.15)])

HAIR_STYLES = ("short", "long", "bun", "ponytail", "bald")
SLEEVES = ("short", "long")
STRIPES = ("wide_stripes", "thin_stripes", "upright_stripes")
LOGOS = ("disc", "cross", "bar")
PATTERNS = ("plain", *STRIPES, "checks", *LOGOS)
BOTTOM_KINDS = ("trousers", "shorts", "skirt")
BAG_KINDS = ("none", "backpack", "shoulder", "hand")
FINE_CUES = ("pattern", "stripe", "logo", "bag")

_MIN_PATTERN_CONTRAST = 0.45


@dataclass(frozen=True)
class Build:
    """Proportions of a body: breadths of shoulders and hips (1 is average), and from the crown to the waist (0.5)."""

    shoulders: float = 1.0
    hips: float = 1.0
    waist: float = 0.5


@dataclass(frozen=True)
class Identity:
    """What one person looks like in every scene. Colors are indices into this module's tables.

    Attributes:
        number: The data set's own number of the identity; -2 for an unlabelled passer-by.
        width: Breadth of the body, 1 is average.
        stature: Height of the person, 1 is average.
        twin: Number of the identity that differs only by ``cue``; None where there is none.
        cue: One of ``FINE_CUES``: what tells the twins apart.
        face: Features of the face; None draws skin alone.
        build: Proportions of the body.
    """

    number: int
    width: float
    stature: float
    skin: int
    hair: int
    hair_style: str
    top: int
    sleeve: str
    pattern: str
    pattern_color: int
    bottom: int
    bottom_kind: str
    bag: str
    bag_color: int
    shoes: int
    twin: int | None = None
    cue: str | None = None
    face: Face | None = None
    build: Build = Build()


Persons = tuple[Identity, ...]


def draw_identity(rng: np.random.Generator, number: int) -> Identity:
    """Draw one person, every attribute on its own.

    Args:
        rng: Source of all choices.
        number: Number to give the person.
    """
    top = int(rng.integers(len(TOPS)))
    pattern = "plain" if rng.random() < 0.3 else str(rng.choice(PATTERNS[1:]))
    return Identity(
        number=number,
        width=float(rng.uniform(0.82, 1.22)),
        stature=float(rng.uniform(0.92, 1.08)),
        skin=int(rng.integers(len(SKINS))),
        hair=int(rng.integers(len(HAIRS))),
        hair_style=str(rng.choice(HAIR_STYLES, p=(0.32, 0.28, 0.14, 0.18, 0.08))),
        top=top,
        sleeve=str(rng.choice(SLEEVES)),
        pattern=pattern,
        pattern_color=_contrasting(rng, top),
        bottom=int(rng.integers(len(BOTTOMS))),
        bottom_kind=str(rng.choice(BOTTOM_KINDS, p=(0.6, 0.2, 0.2))),
        bag=str(rng.choice(BAG_KINDS, p=(0.4, 0.2, 0.2, 0.2))),
        bag_color=int(rng.integers(len(BAGS))),
        shoes=int(rng.integers(len(SHOES))),
    )


def draw_identities(rng: np.random.Generator, numbers: range) -> list[Identity]:
    """Draw the identities of a split; half of them are pairs of near twins.

    Args:
        rng: Source of all choices.
        numbers: Numbers of the identities.

    Returns:
        Identities in the order of ``numbers``; no two look the same.
    """
    order = [int(number) for number in rng.permutation(np.asarray(numbers))]
    num_pairs = len(order) // 4
    identities: dict[int, Identity] = {}
    looks: set[tuple] = set()
    for first, second in zip(order[:num_pairs], order[num_pairs : 2 * num_pairs]):
        cue = FINE_CUES[len(identities) // 2 % len(FINE_CUES)]
        pair = _draw_unseen(looks, lambda a=first, b=second, c=cue: _draw_twins(rng, a, b, c))
        identities.update({identity.number: identity for identity in pair})
    for number in order[2 * num_pairs :]:
        identities[number] = _draw_unseen(looks, lambda a=number: (draw_identity(rng, a),))[0]
    return [identities[number] for number in numbers]


def draw_look_alike(rng: np.random.Generator, identity: Identity) -> Identity:
    """Draw an unlabelled passer-by in the colors of ``identity``, of another build, hair, pattern and bag."""
    other = draw_identity(rng, -2)
    pattern = other.pattern if other.pattern != identity.pattern else _another(rng, PATTERNS, identity.pattern)
    return replace(
        other,
        top=identity.top,
        pattern=pattern,
        pattern_color=identity.pattern_color,
        bottom=identity.bottom,
        bottom_kind=identity.bottom_kind,
    )


def _draw_unseen(looks: set[tuple], draw: Callable[[], Persons]) -> Persons:
    """Calls ``draw`` until it gives persons of whom nobody has the coarse look, and adds theirs to ``looks``."""
    while True:
        persons = draw()
        look = _coarse_look(persons[0])
        if look not in looks:
            looks.add(look)
            return persons


def _coarse_look(identity: Identity) -> tuple:
    return (
        identity.skin,
        identity.hair,
        identity.hair_style,
        identity.top,
        identity.bottom,
        identity.bottom_kind,
    )


def _draw_twins(rng: np.random.Generator, first: int, second: int, cue: str) -> tuple[Identity, Identity]:
    """Two persons who differ by ``cue`` alone."""
    one = draw_identity(rng, first)
    if cue == "stripe":
        one = replace(one, pattern=str(rng.choice(STRIPES[:2])))
        other = replace(one, pattern=_another(rng, STRIPES[:2], one.pattern))
    elif cue == "logo":
        one = replace(one, pattern=str(rng.choice(LOGOS)))
        other = replace(one, pattern=_another(rng, LOGOS, one.pattern))
    elif cue == "bag":
        other = replace(one, bag=_another(rng, BAG_KINDS, one.bag))
    else:
        other = replace(one, pattern=_another(rng, PATTERNS, one.pattern))
    return replace(one, twin=second, cue=cue), replace(other, number=second, twin=first, cue=cue)


def _another(rng: np.random.Generator, choices: tuple[str, ...], taken: str) -> str:
    return str(rng.choice([choice for choice in choices if choice != taken]))


def _contrasting(rng: np.random.Generator, top: int) -> int:
    """A top color that is well seen on ``top``."""
    distances = np.linalg.norm(TOPS - TOPS[top], axis=1)
    return int(rng.choice(np.flatnonzero(distances > _MIN_PATTERN_CONTRAST)))
