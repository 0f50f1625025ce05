"""Who carries which tattoos where: limbs, and how a photo sees one.

On a limb, lengths are in units of its half width: ``along`` it, and ``around`` it as an angle from the side that faces
the camera when the limb is not rolled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates

from .tattoos import REACH, UNLABELLED, Tattoo, draw_look_alike, draw_sheet, draw_tattoo

SKINS = np.array([(0.95, 0.80, 0.70), (0.88, 0.69, 0.56), (0.78, 0.57, 0.43), (0.62, 0.43, 0.31), (0.44, 0.29, 0.21)])
# Radius of a tattoo in half widths of its limb: arms, legs, backs.
RADII = {"arm": (0.55, 0.85), "leg": (0.4, 0.65), "back": (0.2, 0.34)}
LOOK_ALIKES = 0.5  # share of the unlabelled tattoos that resemble an identity of the split

_OPACITY = 0.88  # of ink in skin


@dataclass(frozen=True)
class Place:
    """Where a tattoo sits on its limb.

    Attributes:
        tattoo: Which one.
        along: Of its middle, in half widths.
        around: Of its middle, radians.
        turn: Rotation against the limb, radians.
        radius: In half widths.
    """

    tattoo: Tattoo
    along: float
    around: float
    turn: float
    radius: float


@dataclass(frozen=True)
class Body:
    """A limb with its tattoos.

    Attributes:
        limb: One of ``RADII``.
        skin: Index into ``SKINS``.
        taper: How much wider the limb becomes a half width further along.
        direction: Of the limb in a picture that is held straight, radians; 0 points to the right.
        places: Its tattoos.
    """

    limb: str
    skin: int
    taper: float
    direction: float
    places: tuple[Place, ...]


@dataclass(frozen=True)
class View:
    """How a photo sees a limb.

    Attributes:
        x: Pixel column of the point ``along`` = 0 of the limb's middle line.
        y: Its row.
        angle: Direction of the limb in the picture, radians; 0 points to the right.
        half_width: Of the limb, pixels.
        roll: Radians that the limb is turned about its own axis.
        light: Radians around the limb from which light falls.
        sleeves: ``along`` before and behind which cloth covers the limb.
        cloth: (2, 3) colours of its stripes.
        moles: (n, 3) along, around and radius of moles.
    """

    x: float
    y: float
    angle: float
    half_width: float
    roll: float
    light: float
    sleeves: tuple[float, float]
    cloth: np.ndarray
    moles: np.ndarray


def draw_bodies(rng: np.random.Generator, numbers: range) -> list[Body]:
    """Draws the identities of a split, one or two on a limb."""
    order = [int(number) for number in rng.permutation(np.asarray(numbers))]
    bodies = []
    while order:
        count = min(1 + int(rng.random() < 0.4), len(order))
        bodies.append(draw_body(rng, [draw_tattoo(rng, order.pop()) for _ in range(count)]))
    return bodies


def draw_body(rng: np.random.Generator, tattoos: list[Tattoo]) -> Body:
    """Draws a limb for tattoos, one behind the other."""
    limb = str(rng.choice(list(RADII), p=(0.45, 0.3, 0.25)))
    places: list[Place] = []
    end = 0.0
    for tattoo in tattoos:
        radius = float(rng.uniform(*RADII[limb]))
        along = end + radius + float(rng.uniform(0.05, 0.3))
        turn = float(rng.choice((0.0, np.pi / 2, np.pi))) + float(rng.uniform(-0.2, 0.2))
        places.append(Place(tattoo, along, float(rng.uniform(-0.35, 0.35)), turn, radius))
        end = along + radius
    return Body(
        limb=limb,
        skin=int(rng.integers(len(SKINS))),
        taper=float(rng.uniform(-0.06, 0.06)),
        direction=float(rng.choice((0.0, np.pi / 2))),
        places=tuple(places),
    )


def draw_stranger(rng: np.random.Generator, known: list[Tattoo]) -> Body:
    """Draws a limb with up to two unlabelled tattoos, some of them like one of ``known``."""
    tattoos = []
    for _ in range(int(rng.choice(3, p=(0.2, 0.5, 0.3)))):
        alike = rng.random() < LOOK_ALIKES
        model = known[int(rng.integers(len(known)))]
        tattoos.append(draw_look_alike(rng, model) if alike else draw_tattoo(rng, UNLABELLED))
    return draw_body(rng, tattoos)


def paint_body(light: np.ndarray, owner: np.ndarray, body: Body, view: View, first: int) -> np.ndarray:
    """Paints a limb over a picture.

    Args:
        light: (H, W, 3) float32 in 0..1, changed in place.
        owner: (H, W) number of the tattoo that each pixel shows, -1 for none; changed in place.
        body: The limb.
        view: How it is seen.
        first: Number of the limb's first tattoo in ``owner``.

    Returns:
        (len(body.places),) pixels of each tattoo, those included that cloth or the picture's edge hides.
    """
    rows, columns = np.mgrid[: owner.shape[0], : owner.shape[1]].astype(np.float32) - np.array(
        [[[view.y]], [[view.x]]], np.float32
    )
    cos, sin = np.cos(view.angle), np.sin(view.angle)
    along = (columns * cos + rows * sin) / view.half_width
    breadth = np.clip(1 + body.taper * along, 0.6, 1.5)
    across = (rows * cos - columns * sin) / (view.half_width * breadth)
    around = np.arcsin(np.clip(across, -1, 1))

    skin = np.broadcast_to(SKINS[body.skin].astype(np.float32), light.shape).copy()
    _paint_moles(skin, along, around - view.roll, view)
    inside = np.abs(across) < 1
    cover = np.clip((1 - np.abs(across)) * view.half_width * breadth + 0.5, 0, 1)
    owner[inside] = -1
    areas = np.zeros(len(body.places))
    for i, place in enumerate(body.places):
        near = _window(place, along, (around - view.roll) * breadth)
        if near is None:
            continue
        ink = _ink_on_skin(place, along[near], ((around - view.roll) * breadth)[near], view.half_width)
        share = _OPACITY * ink[..., 3:] * inside[near][..., None]
        # Skin lies over ink and tints it.
        skin[near] += share * (0.82 * ink[..., :3] + 0.18 * skin[near] - skin[near])
        shown = (ink[..., 3] > 0.4) & inside[near]
        owner[near][shown] = first + i
        areas[i] = shown.sum()
    _paint_sleeves(skin, owner, along, around, inside, view)

    shade = 0.42 + 0.58 * np.clip(np.cos(around - view.light), 0, 1)
    gloss = 0.12 * np.clip(np.cos(2.5 * (around - view.light)), 0, 1) ** 8
    painted = np.clip(skin * shade[..., None] + gloss[..., None], 0, 1)
    light += cover[..., None] * (painted - light)
    return areas


def _window(place: Place, along: np.ndarray, around: np.ndarray) -> tuple[slice, slice] | None:
    """The rows and columns that a tattoo may reach; None where it is out of the picture."""
    near = np.hypot(along - place.along, around - place.around) < 1.5 * REACH * place.radius
    rows, columns = (np.flatnonzero(near.any(axis)) for axis in (1, 0))
    return np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else None


def _ink_on_skin(place: Place, along: np.ndarray, around: np.ndarray, half_width: float) -> np.ndarray:
    """(h, w, 4) which ink a tattoo puts where, and its share, for pixels' places on the limb in half widths."""
    sheet = draw_sheet(place.tattoo, place.radius * half_width)
    u, v = (along - place.along) / place.radius, (around - place.around) / place.radius
    cos, sin = np.cos(place.turn), np.sin(place.turn)
    scale, middle = len(sheet) / (2 * REACH), (len(sheet) - 1) / 2
    where = np.stack([(v * cos - u * sin) * scale + middle, (u * cos + v * sin) * scale + middle])
    channels = [map_coordinates(sheet[..., channel], where, order=1, mode="constant") for channel in range(4)]
    return np.stack(channels, axis=-1)


def _paint_moles(skin: np.ndarray, along: np.ndarray, around: np.ndarray, view: View) -> None:
    shade = np.ones_like(along)
    for mole_along, mole_around, radius in view.moles.tolist():
        distance = np.hypot(along - mole_along, around - mole_around) / radius
        shade -= 0.45 * np.clip(1.5 - distance, 0, 1)
    skin *= np.clip(shade, 0, 1)[..., None]


def _paint_sleeves(
    skin: np.ndarray, owner: np.ndarray, along: np.ndarray, around: np.ndarray, inside: np.ndarray, view: View
) -> None:
    start, stop = view.sleeves
    covered = inside & ((along < start) | (along > stop))
    stripes = np.floor(3 * along + 20).astype(int) % 2
    skin[covered] = view.cloth[stripes[covered]]
    owner[covered] = -1
