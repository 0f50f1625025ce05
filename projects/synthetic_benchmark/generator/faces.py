"""Faces of persons who change clothes: features of a pixel or less in a scene, which a sharp picture shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .sprites import Color, Pen, Point

EYES = np.array([(0.16, 0.10, 0.06), (0.10, 0.32, 0.62), (0.14, 0.45, 0.22), (0.35, 0.38, 0.42)])
LIPS = np.array([(0.70, 0.25, 0.26), (0.52, 0.18, 0.20), (0.85, 0.42, 0.44)])
GLASSES = np.array([(0.05, 0.05, 0.06), (0.60, 0.12, 0.14), (0.20, 0.28, 0.60)])
BEARDS = ("none", "none", "mustache", "goatee", "full")
HALF_WIDTH = 0.046  # of a face from the front, in heights of the person
_WHITE = np.full(3, 0.94)


@dataclass(frozen=True)
class Face:
    """What one face looks like; lengths are fractions of the face's half width, colors indices into the tables.

    Attributes:
        eye_gap: From the middle to an eye.
        eye_height: From the middle of the face up to the eyes.
        eye_size: Half the width of an eye.
        brow: Thickness of the brows.
        brow_tilt: How much higher their outer ends are.
        nose: Length of the nose.
        nose_width: Its half width.
        mouth: Half the width of the mouth.
        mouth_height: From the middle of the face down to the mouth.
        lip: Its half height.
        glasses: Index of the frame's color; None without.
        mole: Place of a mole.
    """

    eye_gap: float
    eye_height: float
    eye_size: float
    eye: int
    brow: float
    brow_tilt: float
    nose: float
    nose_width: float
    mouth: float
    mouth_height: float
    lip: float
    lips: int
    beard: str
    glasses: int | None
    mole: Point


def draw_face(rng: np.random.Generator) -> Face:
    """Draw a face, every feature on its own."""
    return Face(
        eye_gap=float(rng.uniform(0.30, 0.56)),
        eye_height=float(rng.uniform(0.08, 0.36)),
        eye_size=float(rng.uniform(0.13, 0.22)),
        eye=int(rng.integers(len(EYES))),
        brow=float(rng.uniform(0.05, 0.17)),
        brow_tilt=float(rng.uniform(-0.14, 0.14)),
        nose=float(rng.uniform(0.25, 0.6)),
        nose_width=float(rng.uniform(0.08, 0.24)),
        mouth=float(rng.uniform(0.2, 0.5)),
        mouth_height=float(rng.uniform(0.52, 0.78)),
        lip=float(rng.uniform(0.05, 0.14)),
        lips=int(rng.integers(len(LIPS))),
        beard=str(rng.choice(BEARDS)),
        glasses=int(rng.integers(len(GLASSES))) if rng.random() < 0.3 else None,
        mole=(float(rng.uniform(-0.7, 0.7)), float(rng.uniform(0.1, 0.6))),
    )


def paint_face(pen: Pen, face: Face, center: Point, half_width: float, turn: float, skin: Color, hair: Color) -> None:
    """Paint the features of a face.

    Args:
        pen: What to draw with.
        face: The face.
        center: Middle of the face, in heights of the person.
        half_width: Of the face as it is seen, in heights.
        turn: How far the features are shifted to the side that the person faces, in heights.
        skin: Color of the skin.
        hair: Color of hair, brows and beard.
    """
    unit = HALF_WIDTH

    def at(x: float, y: float) -> Point:
        return center[0] + turn + x * half_width, center[1] + y * unit

    if face.beard == "full":
        pen.ellipse(at(0, face.mouth_height), (0.62 * half_width, 0.42 * unit), hair * 0.9)
    elif face.beard == "goatee":
        pen.ellipse(at(0, face.mouth_height + 0.2), (0.26 * half_width, 0.26 * unit), hair * 0.9)
    if face.beard in ("full", "mustache"):
        pen.ellipse(at(0, face.mouth_height - 0.16), (0.42 * half_width, 0.1 * unit), hair * 0.8)
    pen.ellipse(at(0, face.mouth_height), (face.mouth * half_width, face.lip * unit), LIPS[face.lips])
    nose = [
        at(0, -face.eye_height + 0.15),
        at(-face.nose_width, face.nose - 0.15),
        at(face.nose_width, face.nose - 0.15),
    ]
    pen.polygon(nose, skin * 0.8)
    pen.ellipse(at(*face.mole), (0.07 * half_width, 0.07 * unit), skin * 0.35)
    for side in (-1, 1):
        _paint_eye(pen, face, at, side, half_width / unit, hair)


def _paint_eye(
    pen: Pen, face: Face, at: Callable[[float, float], Point], side: int, narrow: float, hair: Color
) -> None:
    unit = HALF_WIDTH
    x, y, size = side * face.eye_gap, -face.eye_height, face.eye_size
    pen.ellipse(at(x, y), (size * unit * narrow, 0.7 * size * unit), _WHITE)
    pen.ellipse(at(x, y), (0.55 * size * unit * narrow, 0.6 * size * unit), EYES[face.eye])
    inner, outer = at(x - side * size * 1.2, y - 0.28), at(x + side * size * 1.2, y - 0.28 - face.brow_tilt)
    pen.limb(inner, outer, face.brow * unit, 0.7 * face.brow * unit, hair * 0.6)
    if face.glasses is not None:
        color, reach = GLASSES[face.glasses], 1.5 * size
        corners = [at(x + dx * reach, y + dy * reach) for dx, dy in ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))]
        for start, end in pairwise(corners):
            pen.limb(start, end, 0.07 * unit, 0.07 * unit, color)
        pen.limb(at(0, y), at(side * (face.eye_gap - reach), y), 0.07 * unit, 0.07 * unit, color)
