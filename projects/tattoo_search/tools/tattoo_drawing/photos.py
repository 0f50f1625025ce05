"""Photos of limbs: what lies behind them, where they lie, what the camera makes of it, and the boxes of tattoos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .bodies import Body, View, draw_stranger, paint_body
from .tattoos import UNLABELLED, draw_sheet, draw_tattoo

MIN_VISIBLE = 0.35  # tattoos of which less is seen are not annotated
STRANGERS = 1.0  # mean number of limbs with unlabelled tattoos, or without any, in a photo
RADIUS_RANGE = (0.13, 0.36)  # of a labelled tattoo, as shares of the photo's shorter side
PRINTS = 0.3  # share of the photos with a printed motif in the background, which is no tattoo

_MARGIN = 40  # pixels around the photo in which tattoos are painted too, to know how much of them is seen


@dataclass(frozen=True)
class Photo:
    """What a photo shows, before it is drawn.

    Attributes:
        file_name: Of the picture.
        body: Index of the limb that it is taken of.
        size: Width and height, pixels.
        seed: Of everything else.
    """

    file_name: str
    body: int
    size: tuple[int, int]
    seed: int


def draw_photo(photo: Photo, bodies: list[Body]) -> tuple[np.ndarray, np.ndarray]:
    """Draws a photo.

    Args:
        photo: What it shows.
        bodies: The limbs of the split.

    Returns:
        Picture (H, W, 3) uint8 and annotation (N, 5) int64: number of the identity, -1 where unlabelled, and x, y, w,
        h in pixels. A box spans what is seen of a tattoo, of which ``MIN_VISIBLE`` is seen at least.
    """
    rng = np.random.default_rng(photo.seed)
    known = [place.tattoo for body in bodies for place in body.places]
    strangers = [draw_stranger(rng, known) for _ in range(rng.poisson(STRANGERS))]
    limbs = [(limb, _place_stranger(rng, limb, photo.size)) for limb in strangers]
    limbs.append((bodies[photo.body], _aim(rng, bodies[photo.body], photo.size)))

    light = _draw_background(rng, photo.size)
    light = np.pad(light, ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)), mode="edge")
    owner = np.full(light.shape[:2], -1)
    areas: list[float] = []
    for limb, view in limbs:
        areas += paint_body(light, owner, limb, view, len(areas)).tolist()
    frame = np.s_[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    numbers = [place.tattoo.number for limb, _ in limbs for place in limb.places]
    return _shoot(rng, light[frame]), _annotate(owner[frame], areas, numbers)


def _aim(rng: np.random.Generator, body: Body, size: tuple[int, int]) -> View:
    """A view with the limb's tattoos about in the middle."""
    place = body.places[int(rng.integers(len(body.places)))]
    radius = np.exp(rng.uniform(*np.log(RADIUS_RANGE))) * min(size)
    half_width = radius / place.radius
    angle = body.direction + float(np.clip(rng.normal(0, 0.3), -0.6, 0.6))
    middle = np.mean([one.along for one in body.places]) * half_width
    room = np.maximum(0.5 * np.array(size) - 1.1 * radius, 0)
    x, y = 0.5 * np.array(size) + rng.uniform(-0.7, 0.7, 2) * room
    return _view(rng, body, x - middle * np.cos(angle), y - middle * np.sin(angle), angle, half_width)


def _place_stranger(rng: np.random.Generator, body: Body, size: tuple[int, int]) -> View:
    """A view of a limb that lies anywhere."""
    half_width = rng.uniform(0.12, 0.3) * min(size) * (1.6 if body.limb == "back" else 1.0)
    x, y = rng.uniform(0.05, 0.95, 2) * size
    return _view(rng, body, x, y, float(rng.uniform(-np.pi, np.pi)), half_width)


def _view(rng: np.random.Generator, body: Body, x: float, y: float, angle: float, half_width: float) -> View:
    ends = [place.along + place.radius for place in body.places] or [1.0]
    sleeves = [-np.inf, np.inf]
    if rng.random() < 0.5:
        sleeves[1] = max(ends) + rng.uniform(-0.1, 1.0)
    if rng.random() < 0.15:
        sleeves[0] = -rng.uniform(0.0, 1.0)
    cloth = rng.uniform(0.08, 0.9, (1, 3)) * np.array([[1.0], [rng.choice((0.7, 0.9, 1.0))]])
    count = int(rng.integers(0, 7))
    moles = np.stack(
        [rng.uniform(-2, 3, count), rng.uniform(-1.2, 1.2, count), rng.uniform(0.01, 0.035, count)], axis=1
    )
    return View(
        x=float(x) + _MARGIN,
        y=float(y) + _MARGIN,
        angle=angle,
        half_width=float(half_width),
        roll=float(rng.uniform(-0.3, 0.3)),
        light=float(rng.uniform(-0.9, 0.9)),
        sleeves=(float(sleeves[0]), float(sleeves[1])),
        cloth=cloth.astype(np.float32),
        moles=moles,
    )


def _draw_background(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) float32 in 0..1: things out of focus, and in some photos a print that looks like a tattoo."""
    image = Image.new("RGB", size, _ink(_muted(rng)))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(4, 14))):
        (x, y), (w, h) = rng.uniform(-0.2, 1.0, 2) * size, rng.uniform(0.05, 0.7, 2) * size
        shape = draw.rectangle if rng.random() < 0.6 else draw.ellipse
        shape((x, y, x + w, y + h), fill=_ink(_muted(rng)))
    image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 5.0))))
    if rng.random() < PRINTS:
        _paste_print(rng, image)
    for _ in range(int(rng.integers(0, 4))):
        ends = (rng.uniform(-0.1, 1.1, (2, 2)) * size).ravel().tolist()
        ImageDraw.Draw(image).line(ends, _ink(_muted(rng)), int(rng.integers(1, 5)))
    return np.asarray(image, dtype=np.float32) / 255


def _paste_print(rng: np.random.Generator, image: Image.Image) -> None:
    radius = float(rng.uniform(0.1, 0.25)) * min(image.size)
    sheet = draw_sheet(draw_tattoo(rng, UNLABELLED), radius)
    paper = rng.uniform(0.5, 1.0, 3) * (0.75, 0.95, 1.0)  # not the colour of any skin
    printed = paper * (1 - sheet[..., 3:]) + sheet[..., :3] * sheet[..., 3:]
    x, y = (rng.uniform(-0.1, 0.9, 2) * image.size).astype(int).tolist()
    image.paste(Image.fromarray(np.round(255 * printed).astype(np.uint8)), (x, y))


def _shoot(rng: np.random.Generator, light: np.ndarray) -> np.ndarray:
    """What a camera makes of the light: (H, W, 3) uint8."""
    height, width = light.shape[:2]
    ramp = np.linspace(-1, 1, width)[None] * rng.uniform(-0.2, 0.2) + np.linspace(-1, 1, height)[:, None] * rng.uniform(
        -0.2, 0.2
    )
    cast = 1 + rng.uniform(-0.13, 0.13, 3)
    picture = light * ((1 + ramp) * rng.uniform(0.7, 1.25))[..., None] * cast
    grey = picture.mean(axis=-1, keepdims=True)
    picture = grey + rng.uniform(0.5, 1.1) * (picture - grey)
    picture = np.clip(picture + rng.uniform(-0.03, 0.08), 0, 1) ** rng.uniform(0.75, 1.3)
    blurred = Image.fromarray(np.round(255 * picture).astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(float(rng.uniform(0.2, 1.3)))
    )
    noisy = np.asarray(blurred) / 255 + rng.normal(0, rng.uniform(0.005, 0.03), light.shape)
    return np.round(np.clip(noisy, 0, 1) * 255).astype(np.uint8)


def _annotate(owner: np.ndarray, areas: list[float], numbers: list[int]) -> np.ndarray:
    rows = []
    for i, (area, number) in enumerate(zip(areas, numbers)):
        ys, xs = np.nonzero(owner == i)
        if len(xs) >= max(1.0, MIN_VISIBLE * area):
            rows.append((number, xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1))
    return np.array(rows, dtype=np.int64).reshape(-1, 5)


def _muted(rng: np.random.Generator) -> np.ndarray:
    return np.clip(rng.uniform(0.1, 0.9) + rng.uniform(-0.18, 0.18, 3), 0, 1)


def _ink(colour: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = (round(255 * float(value)) for value in colour)
    return red, green, blue
