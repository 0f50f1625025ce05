"""Search for whole images: the one box of an image is the image (I-Net and DC-I-Net, table 3, "w/o detection").

Truth, queries and detections are then all boxes of images, so that ``PersonSearchMetric`` serves as it is: an image's
one detection has the IoU 1 with an object's box where the image shows the object, whatever the IoU that is asked for,
so it is the true positive; in other images there is no true box, and it is a false positive.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from mmdet.structures import SampleList
from mmdet.structures.bbox import scale_boxes
from mmdet.utils import InstanceList
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.datasets import CocoPersonSearchDataset
from mmpersonsearch.models.detectors import PersonSearchDetector
from mmpersonsearch.registry import DATASETS, MODELS
from mmpersonsearch.structures import SearchProtocol
from mmpersonsearch.utils.errors import InputError


@DATASETS.register_module()
class WholeImageSearchDataset(CocoPersonSearchDataset):
    """A COCO-style test split in which the box of every object and of every query is its image.

    The annotations' json must give ``width`` and ``height`` of each image. Detection metrics on such a split say only
    how many objects an image shows.

    Args:
        kwargs: Arguments of :class:`mmpersonsearch.datasets.CocoPersonSearchDataset`, with ``query_file``.

    Raises:
        InputError: There is no ``query_file``, or an image has no size.
    """

    def __init__(self, **kwargs) -> None:
        if kwargs.get("query_file") is None:
            raise InputError(
                "WholeImageSearchDataset: query_file is needed, only a test split has whole images as boxes"
            )
        super().__init__(**kwargs)

    def read_protocol(self) -> SearchProtocol:
        """Read images and queries; each object and each query has its image's box."""
        protocol = super().read_protocol()
        boxes = {img_id: self._box(i, entry) for i, (img_id, entry) in enumerate(self.annotations[0].items())}
        images = [
            replace(scene, bboxes=np.tile(boxes[scene.img_id], (len(scene.person_ids), 1))) for scene in protocol.images
        ]
        queries = [replace(query, bbox=boxes[query.img_id]) for query in protocol.queries]
        return replace(protocol, images=images, queries=queries)

    def _box(self, i: int, image: dict) -> list[float]:
        size = [image.get(key) for key in ("width", "height")]
        if not all(isinstance(side, int) and side > 0 for side in size):
            raise InputError(f"{self.ann_file}, images[{i}]: expected width and height in pixels, got {image}")
        return [0, 0, *size]


@MODELS.register_module()
class WholeImageSearch(PersonSearchDetector):
    """Person-search model that in testing takes the image for its one detection, with score 1.

    Training and parameters are those of :class:`mmpersonsearch.models.detectors.PersonSearchDetector`, so one
    checkpoint is tested with and without its detector. RPN and box head do not run in testing.
    """

    def detect(
        self, batch_inputs: Tensor, batch_data_samples: SampleList, x: tuple[Tensor, ...] | None = None
    ) -> InstanceList:
        """Take each image for a detection; see :meth:`mmpersonsearch.models.detectors.PersonSearchModel.detect`."""
        detections = []
        for sample in batch_data_samples:
            height, width = sample.ori_shape[:2]
            image = batch_inputs.new_tensor([[0, 0, width, height]])
            bboxes, scores = scale_boxes(image, sample.scale_factor), batch_inputs.new_ones(1)
            detections.append(InstanceData(bboxes=bboxes, scores=scores, labels=scores.new_zeros(1).long()))
        return detections
