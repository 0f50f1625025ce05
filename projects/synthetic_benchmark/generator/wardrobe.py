"""Persons who change clothes, and keep face, hair and build."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .faces import draw_face
from .identities import Build, Identity, draw_identity

Wardrobe = dict[int, dict[int, Identity]]  # by camera, the identities by number as they are dressed there


def draw_wardrobe(rng: np.random.Generator, numbers: range, num_cameras: int) -> Wardrobe:
    """Draw identities and the clothes of each in each camera, every outfit on its own.

    Args:
        rng: Source of all choices.
        numbers: Numbers of the identities.
        num_cameras: Cameras are 0 to ``num_cameras`` - 1.
    """
    persons = draw_persons(rng, numbers)
    return {camera: {who.number: change_clothes(rng, who) for who in persons} for camera in range(num_cameras)}


def draw_persons(rng: np.random.Generator, numbers: range) -> list[Identity]:
    """Draw identities with faces and builds.

    Unlike those of :func:`.identities.draw_identities`, no two are twins: these differ by their clothes alone.

    Args:
        rng: Source of all choices.
        numbers: Numbers of the identities.
    """
    return [replace(draw_identity(rng, number), face=draw_face(rng), build=draw_build(rng)) for number in numbers]


def draw_build(rng: np.random.Generator) -> Build:
    """Draw the proportions of a body, each on its own."""
    shoulders, hips, waist = (float(rng.uniform(*range_)) for range_ in ((0.8, 1.25), (0.8, 1.3), (0.43, 0.57)))
    return Build(shoulders, hips, waist)


def change_clothes(rng: np.random.Generator, identity: Identity) -> Identity:
    """Give a person other clothes, shoes and bag."""
    other = draw_identity(rng, identity.number)
    kept = ("width", "stature", "skin", "hair", "hair_style", "face", "build")
    return replace(other, **{name: getattr(identity, name) for name in kept})
