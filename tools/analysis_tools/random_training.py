"""Random images with random persons, for measurements and checks of training."""

from __future__ import annotations

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData


def draw_batch(shape: tuple[int, int], batch_size: int, num_persons: int) -> dict:
    """Images of (height, width) with persons, every other labelled, the same in all images; as a data loader gives."""
    rng = np.random.default_rng(0)
    height, width = shape
    numbers = torch.arange(num_persons)
    samples = []
    for _ in range(batch_size):
        sizes = rng.uniform((0.03, 0.15), (0.1, 0.4), (num_persons, 2)) * (width, height)
        corners = rng.uniform(0, 1, (num_persons, 2)) * ((width, height) - sizes)
        boxes = torch.tensor(np.concatenate([corners, corners + sizes], 1), dtype=torch.float32)
        person_ids = numbers.where(numbers % 2 == 0, torch.tensor(-1))
        truth = InstanceData(bboxes=boxes, labels=torch.zeros_like(numbers), person_ids=person_ids)
        meta = dict(img_shape=(height, width), ori_shape=(height, width), scale_factor=(1.0, 1.0))
        samples.append(DetDataSample(metainfo=meta, gt_instances=truth))
    images = torch.from_numpy(rng.integers(0, 256, (batch_size, 3, height, width), dtype=np.uint8))
    return dict(inputs=list(images), data_samples=samples)
