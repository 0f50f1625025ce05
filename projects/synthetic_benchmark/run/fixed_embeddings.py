"""Embeddings of true boxes without a trained model, and what any embedding of crops finds by them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from mmengine.structures import InstanceData
from PIL import Image
from tqdm import tqdm

from mmpersonsearch.datasets import PersonSearchDataset
from mmpersonsearch.evaluation import evaluate_search

CROP_SIZE = (64, 128)  # width, height
COLOR_BINS = 8  # per channel; the histogram is joint
STRIPES = 6
STRIPE_BINS = 4

Embedding = Callable[[np.ndarray], np.ndarray]


def color_histogram(crop: np.ndarray, bins: int = COLOR_BINS) -> np.ndarray:
    """Root of the joint RGB histogram, so that the scalar product is the Bhattacharyya coefficient.

    Args:
        crop: (H, W, 3) uint8.
        bins: Bins per channel.

    Returns:
        (bins ** 3,) of unit length.
    """
    index = (crop.astype(np.int64) * bins // 256) @ np.array([bins * bins, bins, 1])
    return np.sqrt(np.bincount(index.ravel(), minlength=bins**3) / index.size)


def stripe_histogram(crop: np.ndarray) -> np.ndarray:
    """The color histograms of six horizontal stripes, one after another; of unit length."""
    parts = [color_histogram(part, STRIPE_BINS) for part in np.array_split(crop, STRIPES)]
    return np.concatenate(parts) / np.sqrt(STRIPES)


def random_embedding(seed: int, channels: int = 128) -> Embedding:
    """An embedding that does not look at the crop."""
    rng = np.random.default_rng(seed)

    def embed(crop: np.ndarray) -> np.ndarray:
        vector = rng.normal(size=channels)
        return vector / np.linalg.norm(vector)

    return embed


def embed_boxes(path: str | Path, boxes: np.ndarray, embed: Embedding) -> torch.Tensor:
    """Embed the crops of a frame.

    Args:
        path: File of the frame.
        boxes: (N, 4) xyxy.
        embed: Gives the (D,) embedding of a crop.

    Returns:
        (N, D) float32; of length 0 without boxes.
    """
    frame = Image.open(path)
    crops = [frame.resize(CROP_SIZE, Image.Resampling.BILINEAR, box=tuple(box)) for box in boxes]
    feats = [embed(np.asarray(crop)) for crop in crops] or np.zeros((0, embed(np.zeros((128, 64, 3), np.uint8)).size))
    return torch.as_tensor(np.array(feats), dtype=torch.float32)


def embed_true_boxes(dataset: PersonSearchDataset, embed: Embedding) -> tuple[list[InstanceData], torch.Tensor]:
    """Embed the true boxes of a test split.

    Returns:
        The detections of all images, with scores of 1, and the (Q, D) embeddings of the queries.
    """
    protocol = dataset.metainfo["search_protocol"]
    detections = []
    for image in tqdm(protocol.images, leave=False):
        detections.append(
            InstanceData(
                bboxes=torch.as_tensor(image.bboxes, dtype=torch.float32),
                scores=torch.ones(len(image.bboxes)),
                reid_feats=embed_boxes(dataset.img_path(image.img_id), image.bboxes, embed),
            )
        )
    queries = [embed_boxes(dataset.img_path(query.img_id), query.bbox[None], embed) for query in protocol.queries]
    return detections, torch.cat(queries)


def measure(dataset: PersonSearchDataset, embed: Embedding) -> tuple[float, float]:
    """Return mAP and top-1, in 0..1, of an embedding on the true boxes of a test split."""
    result = evaluate_search(dataset.metainfo["search_protocol"], *embed_true_boxes(dataset, embed), topk=(1,))
    return result.mAP, result.topk[1]
