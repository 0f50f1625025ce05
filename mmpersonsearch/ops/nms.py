"""Greedy non-maximum suppression."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

# Boxes that are decided together, few enough for their overlaps with all others to fit into the cache.
_BLOCK = 64


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 0) -> Tensor:
    """Keep boxes in order of decreasing score unless they overlap one that is already kept.

    Uses torchvision's operator if it is loaded, else arrays on the CPU, where boxes of equal scores keep their order.

    Args:
        boxes: (n, 4) xyxy.
        scores: (n,).
        iou_threshold: A box is dropped if its IoU with a kept one is greater.
        offset: Added to the width and height, 0 or 1 (boxes that include their last pixel).

    Returns:
        (m,) int64 indices of the kept boxes, by decreasing score.
    """
    boxes = torch.cat((boxes[:, :2], boxes[:, 2:] + offset), 1).to(torch.promote_types(boxes.dtype, torch.float32))
    threshold = boxes.new_tensor(iou_threshold).item()  # rounded as the IoUs are
    if _torchvision_has_nms(boxes.device.type):
        from torchvision.ops import nms as torchvision_nms

        return torchvision_nms(boxes, scores.to(boxes), threshold)
    order = scores.argsort(stable=True, descending=True)
    # NumPy, because PyTorch would synchronize its threads in each of many small operations.
    return order[torch.from_numpy(_suppress(boxes[order].detach().cpu().numpy(), threshold)).to(order.device)]


@cache
def _torchvision_has_nms(device: str) -> bool:
    """Tell whether torchvision's compiled operator is loaded, which fails with a CPU-only PyTorch."""
    try:
        from torchvision.ops import nms as torchvision_nms

        torchvision_nms(torch.zeros(0, 4, device=device), torch.zeros(0, device=device), 0.5)
    except (ImportError, RuntimeError):  # NotImplementedError is a RuntimeError
        return False
    return True


def _suppress(boxes: np.ndarray, threshold: float) -> np.ndarray:
    """Return (m,) indices of the kept ones of (n, 4) boxes in order of decreasing score."""
    corners = np.ascontiguousarray(boxes.T)
    rest, kept = np.arange(len(boxes)), []
    while len(rest):
        block, rest = rest[:_BLOCK], rest[_BLOCK:]
        block = block[_decide(np.triu(_overlap(corners[:, block], corners[:, block], threshold), 1))]
        kept.append(block)
        rest = rest[~_overlap(corners[:, block], corners[:, rest], threshold).any(0)]
    return np.concatenate(kept) if kept else rest


def _decide(suppresses: np.ndarray) -> np.ndarray:
    """Return (k,) whether boxes are kept, from (k, k) whether an earlier box would drop a later one.

    Each round decides at least one more box finally; usually a few rounds decide all.
    """
    keep = np.ones(len(suppresses), dtype=bool)
    while True:
        again = ~suppresses[keep].any(0)
        if np.array_equal(again, keep):
            return keep
        keep = again


def _overlap(first: np.ndarray, second: np.ndarray, threshold: float) -> np.ndarray:
    """Return (a, b) whether the IoUs of (4, a) and (4, b) boxes are greater than a threshold."""
    ours, theirs = first[:, :, None], second[:, None, :]
    width = np.minimum(ours[2], theirs[2])
    width -= np.maximum(ours[0], theirs[0])
    height = np.minimum(ours[3], theirs[3])
    height -= np.maximum(ours[1], theirs[1])
    shared = np.maximum(width, 0, out=width)
    shared *= np.maximum(height, 0, out=height)
    union = (ours[2] - ours[0]) * (ours[3] - ours[1]) + (theirs[2] - theirs[0]) * (theirs[3] - theirs[1])
    union -= shared
    with np.errstate(invalid="ignore"):  # two boxes of no area
        shared /= union
        return shared > threshold
