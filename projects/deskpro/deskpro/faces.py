"""Faces in the crop of a person: a detector, and the square that is cut out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from mmcv.ops import nms
from PIL import Image
from torch import Tensor

from mmpersonsearch.utils.errors import InputError

Detector = Callable[[np.ndarray], np.ndarray]  # (H, W, 3) uint8 RGB to (n, 5) x1 y1 x2 y2 score, in pixels


def cut_face(image: np.ndarray, faces: np.ndarray, min_score: float = 0.9, margin: float = 0.2) -> np.ndarray | None:
    """Cut the face with the highest score out of an image.

    Args:
        image: (H, W, 3) uint8.
        faces: (n, 5) boxes, x1 y1 x2 y2 score in pixels.
        min_score: Faces of lower scores are skipped.
        margin: Fraction of the box's longer side that is added to it on each side.

    Returns:
        (s, s, 3) uint8, a square about the box's middle that is black outside of the image; None without a face.

    Raises:
        InputError: ``faces`` has another shape, or is not finite.
    """
    faces = np.asarray(faces, dtype=np.float64)
    if faces.size == 0:
        return None
    if faces.ndim != 2 or faces.shape[1] != 5 or not np.isfinite(faces).all():
        raise InputError(f"expected the detector to give (n, 5) finite numbers, got shape {faces.shape}")
    x1, y1, x2, y2, score = faces[faces[:, 4].argmax()]
    if score < min_score or x2 <= x1 or y2 <= y1:
        return None
    side = max(1, round(max(x2 - x1, y2 - y1) * (1 + 2 * margin)))
    left, top = round((x1 + x2 - side) / 2), round((y1 + y2 - side) / 2)
    return np.asarray(Image.fromarray(image).crop((left, top, left + side, top + side)))


def mtcnn() -> Detector:
    """Load MTCNN with the weights in facenet-pytorch's wheel.

    Raises:
        InputError: facenet-pytorch is not installed.
    """
    try:
        from facenet_pytorch import MTCNN
        from facenet_pytorch.models.utils import detect_face
    except ModuleNotFoundError as error:
        raise InputError(
            "the default detector needs facenet-pytorch: pip install --no-deps facenet-pytorch, or name a --detector"
        ) from error
    try:
        detect_face.batched_nms(torch.zeros(1, 4), torch.zeros(1), torch.zeros(1), 0.5)
    except RuntimeError:  # a torchvision of another build than PyTorch has no operators
        detect_face.batched_nms = _batched_nms
    model = MTCNN(keep_all=True, min_face_size=12, device="cpu")

    def detect(image: np.ndarray) -> np.ndarray:
        boxes, scores = model.detect(Image.fromarray(image))
        return np.empty((0, 5)) if boxes is None else np.column_stack([boxes, scores]).astype(np.float64)

    return detect


def _batched_nms(boxes: Tensor, scores: Tensor, groups: Tensor, iou_threshold: float) -> Tensor:
    """Torchvision's function by MMCV's: NMS of the boxes of each group, which are moved away from each other."""
    if not len(boxes):
        return groups
    apart = boxes + groups.to(boxes)[:, None] * (boxes.max() - boxes.min() + 1)
    return nms(apart, scores, iou_threshold)[1]
