"""Where the labels of boxes go, so that none covers another."""

from __future__ import annotations

import numpy as np


def place_labels(
    bboxes: np.ndarray,
    sizes: np.ndarray,
    image_size: tuple[int, int],
    taken: list[np.ndarray],
    below: bool = False,
) -> np.ndarray:
    """Find a place at each box for its label, so that none covers another.

    Tried are, in this order, over and under the line of the box's upper edge, first at its left and then at its
    right; the same at its lower edge; then places further off by a label's height. The first place where the label
    covers least of the others is taken.

    Args:
        bboxes: (n, 4) xyxy in pixels.
        sizes: (n, 2) width and height of the labels; those without width need no place.
        image_size: Width and height of the image, in which labels stay.
        taken: xyxy of labels that are there already; the new ones are added.
        below: Begin at the lower edge.

    Returns:
        (n, 2) upper left corners.
    """
    corners = np.zeros((len(bboxes), 2))
    for corner, bbox, size in zip(corners, bboxes, sizes):
        if size[0] > 0:
            candidates = _candidates(bbox, size, below).clip(0, np.maximum(np.array(image_size) - size, 0))
            labels = np.concatenate([candidates, candidates + size], axis=1)
            # argmin takes the first of equal ones.
            best = int(np.argmin(_covered(labels, taken)))
            corner[:] = candidates[best]
            taken.append(labels[best])
    return corners


def _candidates(bbox: np.ndarray, size: np.ndarray, below: bool) -> np.ndarray:
    """(m, 2) upper left corners."""
    (x1, y1, x2, y2), (width, height) = bbox, size
    upper, lower = (y1 - height, y1), (y2 - height, y2)
    edges = [lower, upper] if below else [upper, lower]
    edges += [(y1 - 2 * height, y1 + height), (y2 - 2 * height, y2 + height)]
    return np.array([(left, top) for tops in edges for left in (x1, x2 - width) for top in tops])


def _covered(labels: np.ndarray, taken: list[np.ndarray]) -> np.ndarray:
    """(m,) square pixels of others that each label covers."""
    others = np.array(taken).reshape(-1, 4)
    starts = np.maximum(labels[:, None, :2], others[:, :2])
    ends = np.minimum(labels[:, None, 2:], others[:, 2:])
    return (ends - starts).clip(0).prod(2).sum(1)
