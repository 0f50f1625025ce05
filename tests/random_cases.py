"""Random search protocols with detections and embeddings."""

from __future__ import annotations

import numpy as np
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.structures import AllImages, CrossCamera, ImageList, Listed, Query, SceneImage, SearchProtocol


def draw_case(
    seed: int,
    num_images: int = 12,
    num_persons: int = 6,
    num_queries: int = 9,
    width: int = 4,
    levels: int | None = None,
    galleries: AllImages | CrossCamera | tuple[int, ...] | None = None,
    cameras: int = 3,
    dtype: torch.dtype = torch.float32,
) -> tuple[SearchProtocol, list[InstanceData], Tensor]:
    """Draw the protocol, the detections of its images, and (Q, D) embeddings of its queries.

    Some images have no detection or no person, one person may be listed twice in an image, some queries share a scene.
    ``levels`` quantises embeddings, so that similarities tie; as ``galleries`` a tuple of sizes gives random lists,
    None all images; ``width`` and ``dtype`` are the embeddings'.
    """
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(num_persons, width))

    def embed(person: int) -> np.ndarray:
        feat = (centers[person] if person >= 0 else rng.normal(size=width)) + 0.7 * rng.normal(size=width)
        feat /= np.linalg.norm(feat)
        return np.round(feat * levels) / levels if levels else feat

    images, detections = [], []
    for i in range(num_images):
        num = rng.integers(0, 6)
        person_ids = rng.integers(-1, num_persons, num)
        bboxes = np.array([_draw_box(rng, rng.random() < 0.3) for _ in range(num)]).reshape(-1, 4)
        images.append(SceneImage(f"im{i}", bboxes, person_ids, camera_id=int(rng.integers(cameras))))
        found, feats = [], []
        for box, person in zip(bboxes, person_ids):
            for _ in range(rng.integers(0, 3)):  # missed, found, found twice
                found.append(box + np.round(rng.normal(size=4) * rng.choice([0, 2, 8])))
                feats.append(embed(person))
        for _ in range(rng.integers(0, 3)):
            found.append(_draw_box(rng, False))
            feats.append(embed(-1))
        if rng.random() < 0.15:
            found, feats = [], []
        found = np.array(found).reshape(-1, 4)
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
        order = rng.permutation(len(found))
        detections.append(
            InstanceData(
                bboxes=torch.tensor(found[order], dtype=torch.float32),
                scores=torch.tensor(np.round(rng.uniform(0.3, 1, len(found)), 1), dtype=torch.float32),
                reid_feats=torch.tensor(np.array(feats).reshape(-1, width)[order], dtype=dtype),
            )
        )
    spots = [(image, p) for image in images for p in np.flatnonzero(image.person_ids >= 0)]
    queries, query_feats = [], []
    for spot in rng.choice(len(spots), num_queries):
        image, p = spots[spot]
        queries.append(Query(image.img_id, image.bboxes[p], int(image.person_ids[p]), image.camera_id))
        query_feats.append(embed(queries[-1].person_id))
    if isinstance(galleries, tuple):
        galleries = Listed({size: [_draw_list(rng, images, q, size) for q in queries] for size in galleries})
    protocol = SearchProtocol(images, queries, galleries or AllImages())
    return protocol, detections, torch.tensor(np.array(query_feats), dtype=dtype)


def _draw_box(rng: np.random.Generator, small: bool) -> np.ndarray:
    side = rng.integers(4, 14, 2) if small else rng.integers(20, 90, 2)
    corner = rng.integers(0, 200, 2)
    return np.concatenate([corner, corner + side]).astype(float)


def _draw_list(rng: np.random.Generator, images: list[SceneImage], query: Query, size: int) -> ImageList:
    """A list of images for one query."""
    others = [i for i, image in enumerate(images) if image.img_id != query.img_id]
    inds = rng.permutation(others)[: rng.integers(max(1, size - 2), size + 1)]
    boxes = {}
    for place, i in enumerate(inds):
        true = images[i].bboxes[images[i].person_ids == query.person_id]
        if len(true):
            boxes[place] = true[0]
    return ImageList(inds, list(boxes), list(boxes.values()))
