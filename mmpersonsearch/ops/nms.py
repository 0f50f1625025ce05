"""Greedy non-maximum suppression."""

from functools import cache

import torch
from torch import Tensor

# Boxes that are decided on together. Small enough for their overlaps with all others to stay in the cache.
_BLOCK = 128


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 0) -> Tensor:
    """Keep boxes in order of decreasing score unless they overlap one that is kept already.

    torchvision's operator where it is loaded, else tensor operations; equal scores keep their order.

    Args:
        boxes: (n, 4) xyxy.
        scores: (n,).
        iou_threshold: A box is dropped when its IoU with a kept one is greater.
        offset: What is added to each side's length, 0 or 1 (boxes whose last pixel is included).

    Returns:
        (m,) int64 the boxes that are kept, by decreasing score.
    """
    boxes = torch.cat((boxes[:, :2], boxes[:, 2:] + offset), 1).to(torch.promote_types(boxes.dtype, torch.float32))
    threshold = boxes.new_tensor(iou_threshold).item()  # rounded as the IoUs are
    if _torchvision_has_nms(boxes.device.type):
        from torchvision.ops import nms as torchvision_nms

        return torchvision_nms(boxes, scores.to(boxes), threshold)
    order = scores.argsort(stable=True, descending=True)
    return order[_suppress(boxes[order], threshold)]


@cache
def _torchvision_has_nms(device: str) -> bool:
    """Whether torchvision's compiled operator serves here: beside a CPU-only PyTorch it does not load."""
    try:
        from torchvision.ops import nms as torchvision_nms

        torchvision_nms(torch.zeros(0, 4, device=device), torch.zeros(0, device=device), 0.5)
    except (ImportError, RuntimeError):  # NotImplementedError is a RuntimeError
        return False
    return True


def _suppress(boxes: Tensor, threshold: float) -> Tensor:
    """(m,) which of the (n, 4) boxes, in order of decreasing score, are kept."""
    rest = torch.arange(len(boxes), device=boxes.device)
    corners = boxes.t().contiguous()
    areas = (corners[2] - corners[0]) * (corners[3] - corners[1])
    kept = []
    while len(rest):
        block, rest = rest[:_BLOCK], rest[_BLOCK:]
        block = block[_decide(_overlaps(corners, areas, block, block, threshold).triu_(1))]
        kept.append(block)
        rest = rest[~_overlaps(corners, areas, block, rest, threshold).any(0)]
    return torch.cat(kept) if kept else rest


def _decide(suppresses: Tensor) -> Tensor:
    """(k,) which boxes are kept, where (k, k) tells which earlier box would drop which later one.

    Each round settles at least one more box, for good; mostly a few rounds settle all.
    """
    keep = torch.ones(len(suppresses), dtype=torch.bool, device=suppresses.device)
    while True:
        again = ~(suppresses & keep[:, None]).any(0)
        if torch.equal(again, keep):
            return keep
        keep = again


def _overlaps(corners: Tensor, areas: Tensor, first: Tensor, second: Tensor, threshold: float) -> Tensor:
    """(a, b) whether the IoU of boxes is greater than a threshold."""
    ours, theirs = corners[:, first, None], corners[:, None, second]
    width = torch.minimum(ours[2], theirs[2]).sub_(torch.maximum(ours[0], theirs[0])).clamp_(min=0)
    height = torch.minimum(ours[3], theirs[3]).sub_(torch.maximum(ours[1], theirs[1])).clamp_(min=0)
    shared = width.mul_(height)
    union = (areas[first, None] + areas[second]).sub_(shared)
    return shared.div_(union).gt(threshold)
