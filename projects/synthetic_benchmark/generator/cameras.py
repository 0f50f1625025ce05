"""What the synthetic cameras look at and what each does to colors, brightness, sharpness and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .props import PROPS

Size = tuple[int, int]  # width, height

_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Prop:
    """A thing that stands before a camera; x and y are where it stands, as shares of width and height."""

    kind: str
    color: np.ndarray
    x: float
    y: float


@dataclass(frozen=True)
class Camera:
    """One camera.

    Attributes:
        number: From 1.
        background: (H, W, 3) float32 in 0..1, the empty scene before the camera's own response.
        props: Things that always stand there.
        far: Height of a person in the distance and the y of the feet there, as shares of the frame's height.
        near: Likewise in the foreground.
        gain: Factor on the light.
        offset: Added to the light, haze above zero.
        mix: (3, 3) matrix that gives the camera's RGB from the scene's.
        gamma: Exponent after that.
        blur: Standard deviation of the blur, pixels of a frame 192 pixels high.
        noise: Standard deviation of the noise, in 0..1.
    """

    number: int
    background: np.ndarray
    props: tuple[Prop, ...]
    far: tuple[float, float]
    near: tuple[float, float]
    gain: float
    offset: float
    mix: np.ndarray
    gamma: float
    blur: float
    noise: float

    def foot(self, height: float) -> float:
        """Y of the feet of a person ``height`` high, both as shares of the frame's height."""
        (h0, y0), (h1, y1) = self.far, self.near
        return y0 + (height - h0) * (y1 - y0) / (h1 - h0)

    def height(self, foot: float) -> float:
        """The inverse of ``foot``."""
        (h0, y0), (h1, y1) = self.far, self.near
        return h0 + (foot - y0) * (h1 - h0) / (y1 - y0)

    def shoot(self, light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """What the camera makes of a scene.

        Args:
            light: (H, W, 3) in 0..1.
            rng: Source of the noise.

        Returns:
            (H, W, 3) uint8.
        """
        picture = np.clip(self.gain * (light @ self.mix.T.astype(np.float32)) + self.offset, 0, 1) ** self.gamma
        blurred = _to_image(picture).filter(ImageFilter.GaussianBlur(self.blur * light.shape[0] / 192))
        noisy = np.asarray(blurred, dtype=np.float32) / 255
        noisy = noisy + rng.normal(0, self.noise, light.shape).astype(np.float32)
        return np.round(np.clip(noisy, 0, 1) * 255).astype(np.uint8)


def draw_cameras(rng: np.random.Generator, count: int, size: Size) -> list[Camera]:
    """Draw ``count`` cameras whose responses are spread evenly over what is allowed.

    Args:
        rng: Source of all choices.
        count: Number of cameras.
        size: Width and height of their frames.
    """
    gains = _spread(rng, count, 0.68, 1.22)
    offsets = _spread(rng, count, -0.05, 0.10)
    gammas = _spread(rng, count, 0.78, 1.30)
    blurs = _spread(rng, count, 0.15, 0.75)
    noises = _spread(rng, count, 0.008, 0.030)
    saturations = _spread(rng, count, 0.60, 1.05)
    casts = _spread(rng, count, 0.0, 2 * np.pi)
    return [
        Camera(
            number=i + 1,
            background=_draw_background(rng, size),
            props=_draw_props(rng),
            far=(0.21, float(rng.uniform(0.42, 0.5))),
            near=(0.78, float(rng.uniform(0.96, 1.04))),
            gain=gains[i],
            offset=offsets[i],
            mix=_draw_mix(rng, saturations[i], casts[i]),
            gamma=gammas[i],
            blur=blurs[i],
            noise=noises[i],
        )
        for i in range(count)
    ]


def _spread(rng: np.random.Generator, count: int, low: float, high: float) -> list[float]:
    """One value in each of ``count`` equal parts of low..high, in random order."""
    return [float(v) for v in low + (high - low) * (rng.permutation(count) + rng.random(count)) / count]


def _draw_mix(rng: np.random.Generator, saturation: float, cast: float) -> np.ndarray:
    """Fade colors to ``saturation``, casts white towards the hue angle ``cast``, and lets channels leak."""
    fade = saturation * np.eye(3) + (1 - saturation) * np.tile(_LUMA, (3, 1))
    white = 1 + 0.13 * np.cos(cast - np.array([0, 2, 4]) * np.pi / 3)
    leak = rng.uniform(-0.05, 0.05, (3, 3))
    leak -= np.diag(leak.sum(axis=1))  # leaves grey as it is
    return np.diag(white) @ (fade + leak)


def _draw_props(rng: np.random.Generator) -> tuple[Prop, ...]:
    count = int(rng.integers(3, 6))
    kinds = rng.choice(list(PROPS), count)
    places = (rng.permutation(count) + rng.random(count)) / count
    return tuple(draw_prop(rng, str(kind), float(x)) for kind, x in zip(kinds, places))


def draw_prop(rng: np.random.Generator, kind: str, x: float) -> Prop:
    """Draw color and depth of a thing of the given kind at ``x``."""
    color = rng.uniform((0.05, 0.25, 0.05), (0.25, 0.5, 0.2)) if kind == "bush" else _muted(rng, 0.2, 0.7, 0.2)
    return Prop(kind, color, x, float(rng.uniform(0.62, 0.98)))


def _draw_background(rng: np.random.Generator, size: Size) -> np.ndarray:
    """A wall or a park above, pavement below, with what clutters them."""
    width, height = size
    image = Image.new("RGB", (2 * width, 2 * height))
    draw = ImageDraw.Draw(image)
    horizon = int(2 * height * rng.uniform(0.36, 0.44))
    _draw_ground(draw, rng, horizon, image.size)
    (_draw_wall if rng.random() < 0.6 else _draw_park)(draw, rng, horizon, image.size)
    picture = np.asarray(image.reduce(2), dtype=np.float32) / 255
    return np.clip(picture * _mottle(rng, size), 0, 1).astype(np.float32)


def _draw_ground(draw: ImageDraw.ImageDraw, rng: np.random.Generator, horizon: int, size: Size) -> None:
    width, height = size
    color = _muted(rng, 0.35, 0.65)
    draw.rectangle((0, horizon, width, height), fill=_ink(color))
    seam = _ink(color * rng.uniform(0.8, 0.92))
    vanishing = width * rng.uniform(0.2, 0.8)
    for x in np.linspace(-2 * width, 3 * width, int(rng.integers(14, 30))):
        draw.line((vanishing + (x - vanishing) * 0.25, horizon, x, height), fill=seam, width=2)
    for depth in np.linspace(0, 1, int(rng.integers(5, 10))) ** 2:
        y = horizon + depth * (height - horizon)
        draw.line((0, y, width, y), fill=seam, width=2)
    if rng.random() < 0.5:
        y = horizon + rng.uniform(0.15, 0.6) * (height - horizon)
        draw.rectangle((0, y, width, y + 0.04 * height), fill=_ink(np.full(3, 0.85)))


def _draw_wall(draw: ImageDraw.ImageDraw, rng: np.random.Generator, horizon: int, size: Size) -> None:
    width = size[0]
    draw.rectangle((0, 0, width, horizon), fill=_ink(_muted(rng, 0.35, 0.8)))
    panes, frame = _ink(_muted(rng, 0.15, 0.5)), _ink(_muted(rng, 0.5, 0.9))
    step = width / int(rng.integers(5, 11))
    for x in np.arange(0, width, step):
        if rng.random() < 0.15:
            draw.rectangle((x + 0.2 * step, 0.25 * horizon, x + 0.75 * step, horizon), fill=_ink(rng.random(3) * 0.7))
            continue
        for y in (0.06, 0.52):
            corners = (x + 0.15 * step, y * horizon, x + 0.8 * step, (y + 0.34) * horizon)
            draw.rectangle(corners, fill=panes, outline=frame, width=3)
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(0, width), rng.uniform(0, 0.6) * horizon
        draw.rectangle((x, y, x + rng.uniform(0.5, 1.5) * step, y + 0.2 * horizon), fill=_ink(rng.random(3)))


def _draw_park(draw: ImageDraw.ImageDraw, rng: np.random.Generator, horizon: int, size: Size) -> None:
    width = size[0]
    draw.rectangle((0, 0, width, horizon), fill=_ink(rng.uniform((0.6, 0.7, 0.8), (0.8, 0.85, 0.95))))
    hedge = rng.uniform((0.1, 0.25, 0.1), (0.3, 0.45, 0.2))
    draw.rectangle((0, 0.6 * horizon, width, horizon), fill=_ink(hedge))
    for _ in range(int(rng.integers(5, 10))):
        x, radius = rng.uniform(0, width), rng.uniform(0.15, 0.4) * horizon
        trunk = 0.12 * radius
        draw.rectangle((x - trunk, 0.4 * horizon, x + trunk, horizon * 1.02), fill=_ink(np.array([0.3, 0.2, 0.12])))
        for _ in range(6):
            dx, dy = rng.uniform(-0.7, 0.7, 2) * radius
            green = _ink(rng.uniform((0.1, 0.25, 0.08), (0.35, 0.55, 0.25)))
            y = 0.4 * horizon + dy
            draw.ellipse((x + dx - radius / 2, y - radius / 2, x + dx + radius / 2, y + radius / 2), fill=green)


def _mottle(rng: np.random.Generator, size: Size) -> np.ndarray:
    """(H, W, 1) factors about 1: patches of light, and a fine grain."""
    factors = np.ones((size[1], size[0]), np.float32)
    for cells, strength in ((6, 0.06), (80, 0.03)):
        patch = rng.normal(0, strength, (max(2, cells * size[1] // size[0]), cells)).astype(np.float32)
        factors += np.asarray(Image.fromarray(patch).resize(size, Image.Resampling.BICUBIC))
    return factors[..., None]


def _muted(rng: np.random.Generator, low: float, high: float, color: float = 0.09) -> np.ndarray:
    """A grey between ``low`` and ``high``, colored by up to ``color`` a channel."""
    return np.clip(rng.uniform(low, high) + rng.uniform(-color, color, 3), 0, 1)


def _ink(color: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = (round(float(value) * 255) for value in np.clip(color, 0, 1))
    return red, green, blue


def _to_image(picture: np.ndarray) -> Image.Image:
    return Image.fromarray(np.round(picture * 255).astype(np.uint8))
