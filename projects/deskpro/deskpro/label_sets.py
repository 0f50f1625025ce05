"""Label sets of human parsing, and which of their labels are clothes (C of DeSKPro's equation 3)."""

from __future__ import annotations

import numpy as np

from mmpersonsearch.utils.errors import InputError

CLOTHES, OTHER = 0, 255  # in mask files, as the authors have them

LABELS = {
    "LIP": (
        *("background", "hat", "hair", "glove", "sunglasses", "upper-clothes", "dress", "coat", "socks", "pants"),
        *("jumpsuits", "scarf", "skirt", "face", "left-arm", "right-arm", "left-leg", "right-leg", "left-shoe"),
        "right-shoe",
    ),
    "ATR": (
        *("background", "hat", "hair", "sunglasses", "upper-clothes", "skirt", "pants", "dress", "belt", "left-shoe"),
        *("right-shoe", "face", "left-leg", "right-leg", "left-arm", "right-arm", "bag", "scarf"),
    ),
    "Pascal-Person-Part": ("background", "head", "torso", "upper-arms", "lower-arms", "upper-legs", "lower-legs"),
}
# The paper names no more than dress and skirt. Here clothes are all that a person takes off with them, shoes and bag
# too; sunglasses are part of the face. Pascal-Person-Part has no clothes: its parts are taken that are mostly dressed.
WORN = {
    "LIP": {
        *("hat", "glove", "upper-clothes", "dress", "coat", "socks", "pants", "jumpsuits", "scarf", "skirt"),
        *("left-shoe", "right-shoe"),
    },
    "ATR": {
        *("hat", "upper-clothes", "skirt", "pants", "dress", "belt", "left-shoe", "right-shoe", "bag", "scarf"),
    },
    "Pascal-Person-Part": {"torso", "upper-arms", "upper-legs", "lower-legs"},
}


def cloth_mask(labels: np.ndarray, label_set: str) -> np.ndarray:
    """Make the clothes mask of a parsing map.

    Args:
        labels: (H, W) integers, labels of ``label_set``.
        label_set: One of ``LABELS``.

    Returns:
        (H, W) uint8, 0 on clothes and 255 elsewhere.

    Raises:
        InputError: An unknown label set, a map of another shape, or a label that is not in the set.
    """
    if label_set not in LABELS:
        raise InputError(f"label set must be one of {list(LABELS)}, got {label_set!r}")
    labels, names = np.asarray(labels), LABELS[label_set]
    if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"expected a parsing map (H, W) of integers, got {labels.dtype} of shape {labels.shape}")
    if labels.size and not 0 <= labels.min() <= labels.max() < len(names):
        raise InputError(
            f"{label_set} has the labels 0 to {len(names) - 1}, the map has {labels.min()} to {labels.max()}"
        )
    table = np.array([CLOTHES if name in WORN[label_set] else OTHER for name in names], dtype=np.uint8)
    return table[labels]
