"""How boxes on disk become boxes in memory."""

from __future__ import annotations

import numpy as np


def read_xywh(boxes: np.ndarray) -> np.ndarray:
    """Boxes as the public readers of PRW and CUHK-SYSU have them, so that figures are comparable.

    Negative numbers become 0, then ``x2 = x + w`` and ``y2 = y + h``, then the fraction is cut off.

    Args:
        boxes: (N, 4) x, y, w, h in pixels.

    Returns:
        (N, 4) float64 x1, y1, x2, y2 in pixels, integers.
    """
    boxes = np.clip(np.asarray(boxes, dtype=np.float64).reshape(-1, 4), 0, None)
    return np.trunc(np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1))


def has_area(boxes: np.ndarray) -> np.ndarray:
    """(N,) bool, which of the (N, 4) xyxy boxes have a width and a height above 0."""
    return (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
