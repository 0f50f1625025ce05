"""Draws one person in one pose; lengths are in units of the person's height, see :mod:`.sprites`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from .faces import HALF_WIDTH, paint_face
from .identities import BAGS, BOTTOMS, HAIRS, SHOES, SKINS, TOPS, Identity
from .sprites import Color, Pen, Sprite

FACE_IS_SEEN = -0.5  # cosine of the way that a person faces, above which the face is drawn
HEAD = 0.07  # half the side of the square about a head, see head_center

_ASPECT = 0.9  # width of the picture over the height of the person


@dataclass(frozen=True)
class Colors:
    """RGB in 0..1 of all that a person has and wears."""

    skin: Color
    hair: Color
    top: Color
    print: Color
    bottom: Color
    bag: Color
    shoes: Color


_CLOTHES = Colors(*(np.full(3, float(worn)) for worn in (0, 0, 1, 1, 1, 1, 1)))


def colors_of(identity: Identity) -> Colors:
    """Look up the colors of an identity."""
    return Colors(
        skin=SKINS[identity.skin],
        hair=HAIRS[identity.hair],
        top=TOPS[identity.top],
        print=TOPS[identity.pattern_color],
        bottom=BOTTOMS[identity.bottom],
        bag=BAGS[identity.bag_color],
        shoes=SHOES[identity.shoes],
    )


@dataclass(frozen=True)
class Pose:
    """How a person stands in one scene.

    Attributes:
        facing: Radians; 0 looks into the camera, pi away from it, pi / 2 to the right of the picture.
        phase: Radians of the walking cycle.
        stride: 0 (stands) to 1 (strides out).
        shade: Brightness of the light on the person, 1 is neutral.
        slant: Difference of that brightness between the right and the left side of the picture.
    """

    facing: float
    phase: float
    stride: float
    shade: float
    slant: float


def draw_pose(rng: np.random.Generator) -> Pose:
    """Draw a pose: walking towards the camera, away from it, or across."""
    facing = float(rng.choice((0.0, math.pi, math.pi / 2, -math.pi / 2), p=(0.34, 0.26, 0.2, 0.2)))
    return Pose(
        facing=facing + float(rng.uniform(-0.6, 0.6)),
        phase=float(rng.uniform(0, 2 * math.pi)),
        stride=float(rng.uniform(0.1, 1.0)),
        shade=float(rng.uniform(0.82, 1.12)),
        slant=float(rng.uniform(-0.3, 0.3)),
    )


def draw_person(identity: Identity, pose: Pose, height: float) -> Sprite:
    """Draw a person.

    Args:
        identity: Who it is.
        pose: How the person stands.
        height: Pixels from crown to soles.
    """
    pen = Pen(height, _ASPECT, waist=identity.build.waist)
    _Figure(pen, identity, pose, colors_of(identity)).draw()
    return _lit(pen.sprite(), pose)


def draw_clothes(identity: Identity, pose: Pose, height: float) -> np.ndarray:
    """Draw what a person wears: (h, w) bool pixels of :func:`draw_person`'s picture."""
    pen = Pen(height, _ASPECT, waist=identity.build.waist)
    _Figure(pen, replace(identity, face=None), pose, _CLOTHES).draw()
    sprite = pen.sprite()
    return sprite.rgb[..., 0] * sprite.alpha > 0.3  # parts in the shade are drawn darker


def draw_head(identity: Identity, pose: Pose, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the square about a person's head with ``side`` pixels, sharp.

    Returns:
        (side, side, 3) RGB and (side, side) alpha, float32 in 0..1.
    """
    height = side / (2 * HEAD)
    pen = Pen(height, 0.4, reach=0.3, waist=identity.build.waist)
    _Figure(pen, identity, pose, colors_of(identity)).draw()
    sprite = _lit(pen.sprite(), pose)
    x, y = head_center(pose)
    left = round(sprite.foot[0] + x * height - side / 2)
    top = round(sprite.foot[1] + (y - 1) * height - side / 2)
    part = np.s_[top : top + side, left : left + side]
    return sprite.rgb[part], sprite.alpha[part]


def head_center(pose: Pose) -> tuple[float, float]:
    """Return the middle of the square about the head: x from the middle, y from the crown, in heights."""
    return 0.018 * math.sin(pose.facing), 0.08


def _lit(sprite: Sprite, pose: Pose) -> Sprite:
    """A sprite in the light of a pose."""
    ramp = np.linspace(-0.5, 0.5, sprite.rgb.shape[1], dtype=np.float32)[:, None]
    # The figure fills about the middle half of the picture, hence the factor 2.
    light = pose.shade * (1 + 2 * pose.slant * np.clip(ramp, -0.25, 0.25))
    return Sprite(np.clip(sprite.rgb * light, 0, 1).astype(np.float32), sprite.alpha, sprite.foot)


class _Figure:
    """One person in one pose on a pen."""

    def __init__(self, pen: Pen, identity: Identity, pose: Pose, colors: Colors) -> None:
        self.pen, self.who, self.pose = pen, identity, pose
        self.skin, self.hair = colors.skin, colors.hair
        self.top, self.print, self.bottom = colors.top, colors.print, colors.bottom
        self.bag, self.shoes = colors.bag, colors.shoes
        self.side, self.front = math.sin(pose.facing), math.cos(pose.facing)
        breadth = identity.width * (0.62 + 0.38 * abs(self.front))
        build = identity.build
        self.shoulder, self.hip = 0.112 * breadth * build.shoulders, 0.088 * breadth * build.hips
        self.far = -1 if self.side > 0 else 1  # the side of the body that is turned away, as a sign of x

    def draw(self) -> None:
        """Draw from the back to the front."""
        if self.front > 0:
            self._long_hair()
            self._backpack()
        self._arm(self.far, 0.8)
        self._leg(self.far, 0.82)
        self._leg(-self.far, 1.0)
        self._skirt()
        self._torso()
        if self.front <= 0:
            self._backpack()
        self._straps()
        self._arm(-self.far, 0.92)
        self._head()
        if self.front <= 0:
            self._long_hair()

    def _swing(self, sign: int) -> float:
        return self.pose.stride * math.sin(self.pose.phase + (math.pi if sign > 0 else 0.0))

    def _leg(self, sign: int, light: float) -> None:
        pen, swing, width = self.pen, self._swing(sign), self.who.width
        hip = (sign * self.hip * 0.5 * abs(self.front), 0.50)
        ankle = (hip[0] + 0.17 * swing * self.side, 0.955 - 0.035 * max(0.0, swing * self.front))
        knee = ((hip[0] + ankle[0]) / 2 + 0.025 * self.side * self.pose.stride, 0.73)
        cloth, skin = self.bottom * light, self.skin * light
        lower, upper = (cloth, cloth) if self.who.bottom_kind == "trousers" else (skin, cloth)
        pen.limb(knee, ankle, 0.066 * width, 0.048 * width, lower)
        if self.who.bottom_kind == "shorts":
            pen.limb(knee, hip, 0.064 * width, 0.09 * width, skin)
            knee = (knee[0] * 0.8 + hip[0] * 0.2, 0.69)
        pen.limb(hip, knee, 0.098 * width, 0.074 * width, upper)
        shoe = (ankle[0] + 0.028 * self.side, ankle[1] + 0.025)
        pen.ellipse(shoe, (0.03 + 0.026 * abs(self.side), 0.02), self.shoes * light)

    def _skirt(self) -> None:
        if self.who.bottom_kind == "skirt":
            hem = self.hip * 1.45 + 0.03 * self.pose.stride * abs(self.side)
            self.pen.polygon([(-self.hip, 0.46), (self.hip, 0.46), (hem, 0.72), (-hem, 0.72)], self.bottom)

    def _arm(self, sign: int, light: float) -> None:
        swing, width = -self._swing(sign), self.who.width
        shoulder = (sign * self.shoulder * (0.25 + 0.7 * abs(self.front)), 0.195)
        hand = (
            shoulder[0] + sign * 0.035 * abs(self.front) + 0.14 * swing * self.side,
            0.50 - 0.03 * abs(swing),
        )
        elbow = ((shoulder[0] + hand[0]) / 2 - 0.02 * self.side, 0.345)
        sleeve, skin = self.top * light, self.skin * light
        self.pen.limb(elbow, hand, 0.046 * width, 0.036 * width, sleeve if self.who.sleeve == "long" else skin)
        self.pen.ellipse(hand, (0.021, 0.024), skin)
        self.pen.limb(shoulder, elbow, 0.064 * width, 0.054 * width, sleeve)
        if self.who.bag == "hand" and sign == self._bag_side():
            color = self.bag * light
            self.pen.limb(hand, (hand[0], hand[1] + 0.06), 0.014, 0.014, color * 0.7)
            self.pen.box((hand[0], hand[1] + 0.115), (0.062, 0.065), color, corner=0.015)

    def _bag_side(self) -> int:
        """Bags are worn on the left: at the right of the picture seen from the front; seen from the side, nearer."""
        if abs(self.side) > abs(self.front):
            return -self.far
        return 1 if self.front > 0 else -1

    def _torso(self) -> None:
        shoulder, hip = self.shoulder, self.hip
        outline = [(-0.035, 0.15), (0.035, 0.15), (shoulder, 0.185), (shoulder * 0.92, 0.32), (hip, 0.42)]
        outline += [(hip * 1.04, 0.52), (-hip * 1.04, 0.52), (-hip, 0.42), (-shoulder * 0.92, 0.32)]
        outline += [(-shoulder, 0.185)]
        self.pen.cloth(outline, self._texture)

    def _texture(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Color of the top; ``u`` and ``v`` run over it from -1 to 1 and from 0 to 1."""
        # Seen from the side, a front and a back print turn towards the edge.
        print_shift = 0.75 * self.side * (1 if self.front >= 0 else -1)
        u, v = x / self.shoulder, (y - 0.15) / 0.37
        share = PATTERN_SHARES[self.who.pattern](u, v, u - print_shift)
        share = np.broadcast_to(share, np.broadcast_shapes(x.shape, y.shape))[..., None].astype(np.float64)
        return self.top * (1 - share) + self.print * share

    def _backpack(self) -> None:
        if self.who.bag != "backpack":
            return
        color = self.bag
        center = (-0.115 * self.side, 0.30)
        half = 0.05 + 0.055 * abs(self.front)
        self.pen.box(center, (half, 0.115), color, corner=0.035)
        if self.front <= 0:
            self.pen.box((center[0], 0.345), (half * 0.7, 0.045), color * 0.7, corner=0.02)

    def _straps(self) -> None:
        color = self.bag
        if self.who.bag == "backpack" and self.front > 0:
            for sign in (-1, 1):
                x = sign * self.shoulder * 0.58
                self.pen.limb((x, 0.165), (x * 1.1, 0.36), 0.026, 0.026, color * 0.8)
        if self.who.bag == "shoulder":
            sign = self._bag_side()
            bag = (sign * self.hip * 1.15, 0.53)
            self.pen.limb((-sign * self.shoulder * 0.6, 0.165), bag, 0.022, 0.022, color * 0.8)
            self.pen.box(bag, (0.07, 0.06), color, corner=0.02)

    def _head(self) -> None:
        pen, style, turn = self.pen, self.who.hair_style, 0.018 * self.side
        pen.limb((0, 0.12), (0, 0.165), 0.055, 0.06, self.skin * 0.9)
        if style == "bun":
            pen.ellipse((-0.035 * self.side, 0.012), (0.03, 0.026), self.hair)
        if style == "bald":
            pen.ellipse((turn, 0.075), (0.05, 0.068), self.skin)
        else:
            pen.ellipse((0, 0.068), (0.056, 0.066), self.hair)
        if self.front > FACE_IS_SEEN:
            face, half_width = (turn * 1.6, 0.088), HALF_WIDTH - 0.014 * abs(self.side)
            if style != "bald":
                pen.ellipse(face, (half_width, 0.053), self.skin)
            if self.who.face is not None:
                paint_face(pen, self.who.face, face, half_width, turn, self.skin, self.hair)

    def _long_hair(self) -> None:
        style, back = self.who.hair_style, -0.03 * self.side
        if style == "long":
            self.pen.box((back * 0.7, 0.125), (0.062, 0.085), self.hair, corner=0.03)
        elif style == "ponytail":
            x = back * 2.3
            self.pen.limb((back * 1.2, 0.06), (x, 0.20), 0.035, 0.028, self.hair)


def _odd(position: np.ndarray) -> np.ndarray:
    return np.floor(position) % 2 == 1


# Share of the pattern's color at (u, v); w is u as a print on the chest or the back sees it.
PATTERN_SHARES = {
    "plain": lambda u, v, w: np.zeros(1),
    "wide_stripes": lambda u, v, w: _odd(v * 6.0) + 0 * u,
    "thin_stripes": lambda u, v, w: _odd(v * 13.0) + 0 * u,
    "upright_stripes": lambda u, v, w: _odd(u * 2.9 + 20.5) + 0 * v,
    "checks": lambda u, v, w: 0.5 * (_odd(v * 8.0).astype(float) + _odd(u * 2.4 + 20.5)),
    "disc": lambda u, v, w: w**2 / 0.24 + (v - 0.36) ** 2 / 0.028 < 1,
    "cross": lambda u, v, w: (
        ((np.abs(w) < 0.16) & (np.abs(v - 0.42) < 0.26)) | ((np.abs(w) < 0.6) & (np.abs(v - 0.36) < 0.055))
    ),
    "bar": lambda u, v, w: (np.abs(v - 0.40) < 0.085) + 0 * u,
}
