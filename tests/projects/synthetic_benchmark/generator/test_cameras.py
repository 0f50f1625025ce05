"""Perspective and response of the synthetic cameras."""

import numpy as np
import pytest

from projects.synthetic_benchmark.generator import cameras

SIZE = (160, 96)


def test_perspective_is_inverted_exactly():
    camera = cameras.draw_cameras(np.random.default_rng(0), 2, SIZE)[1]
    for height in (0.21, 0.4, 0.78):
        assert camera.height(camera.foot(height)) == pytest.approx(height)


def test_cameras_see_the_same_thing_unlike_but_keep_bright_and_dark_apart():
    seen = cameras.draw_cameras(np.random.default_rng(0), 6, SIZE)
    rng = np.random.default_rng(1)
    card = np.full((30, 30, 3), 0.5, np.float32)
    greys = np.array([camera.shoot(card, rng).mean(axis=(0, 1)) for camera in seen])
    gaps = np.linalg.norm(greys[:, None] - greys[None], axis=-1)
    assert gaps[~np.eye(6, dtype=bool)].min() > 5  # of 255
    for camera in seen:
        dark, bright = (camera.shoot(np.full_like(card, level), rng).mean() for level in (0.1, 0.9))
        assert bright - dark > 80
