"""Base of the RoI heads of person search: sampling and box losses."""

from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

from mmdet.models.roi_heads import StandardRoIHead
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.models.utils import unpack_gt_instances
from mmdet.structures import SampleList
from mmdet.utils import InstanceList
from torch import Tensor

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.distributed import share_of_samples
from mmpersonsearch.utils.errors import InputError


class SampledBoxes(NamedTuple):
    """Sampled RoIs of a batch, the box head's outputs and their targets.

    Attributes:
        rois: (n, 5) image number and xyxy box in pixels of the input.
        cls_score: (n, 2) logits of person and background.
        bbox_pred: (n, 4) deltas.
        labels: (n,) 0 person, 1 background.
        label_weights: (n,).
        bbox_targets: (n, 4) deltas of the true boxes; 0 for background.
        bbox_weights: (n, 4) 1 for persons, 0 for background.
    """

    rois: Tensor
    cls_score: Tensor
    bbox_pred: Tensor
    labels: Tensor
    label_weights: Tensor
    bbox_targets: Tensor
    bbox_weights: Tensor


# Computes further losses of the sampled boxes, by name, to distil another box head.
BoxDistillation = Callable[[SampledBoxes], dict[str, Tensor]]


class PersonSearchRoIHead(StandardRoIHead, metaclass=ABCMeta):
    """RoI head that detects and embeds persons.

    Args:
        reid_head: Config of the Re-ID head.
        crop_extractor: Config of the RoI extractor that cuts fixed-size person crops from the normalized images, for
            a teacher or a knowledge transfer bridge.
        kwargs: See MMDetection's ``StandardRoIHead``.

    Raises:
        InputError: Crops are needed, but there is no ``crop_extractor``.
    """

    def __init__(self, *, reid_head: dict, crop_extractor: dict | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reid_head = MODELS.build(reid_head)
        self.crop_extractor = MODELS.build(crop_extractor) if crop_extractor else None
        if self.reid_head.with_teacher and self.crop_extractor is None:
            raise InputError("roi_head: a teacher needs a crop_extractor")

    def sample_proposals(self, proposals: InstanceList, batch_data_samples: SampleList) -> list[SamplingResult]:
        """Assign the ground truth to proposals and sample from them: one result per image."""
        batch_gt, batch_gt_ignore, _ = unpack_gt_instances(batch_data_samples)
        results = []
        for one, gt, gt_ignore in zip(proposals, batch_gt, batch_gt_ignore):
            one.priors = one.pop("bboxes")
            assigned = self.bbox_assigner.assign(one, gt, gt_ignore)
            results.append(self.bbox_sampler.sample(assigned, one, gt))
        return results

    def loss_boxes(
        self,
        cls_score: Tensor,
        bbox_pred: Tensor,
        rois: Tensor,
        sampled: list[SamplingResult],
        distil_boxes: BoxDistillation | None = None,
    ) -> dict[str, Tensor]:
        """Compute the box head's losses, weighted by :func:`share_of_samples`; see :class:`SampledBoxes` for shapes."""
        found = self.bbox_head.loss_and_target(cls_score, bbox_pred, rois, sampled, self.train_cfg)
        losses = found["loss_bbox"]
        if distil_boxes is not None:
            losses.update(distil_boxes(SampledBoxes(rois, cls_score, bbox_pred, *found["bbox_targets"])))
        share = share_of_samples(len(rois), rois.device)
        return {name: share * value if name.startswith("loss") else value for name, value in losses.items()}

    @abstractmethod
    def loss(
        self,
        x: tuple[Tensor, ...],
        proposals: InstanceList,
        batch_data_samples: SampleList,
        images: Tensor,
        distil_boxes: BoxDistillation | None = None,
    ) -> dict[str, Tensor]:
        """Compute the losses of detection and Re-ID.

        Args:
            x: (B, C, H / s, W / s) maps of the backbone, float32.
            proposals: The RPN's, in pixels of ``images``.
            batch_data_samples: Ground truth with ``person_ids``.
            images: (B, 3, H, W) normalized images.
            distil_boxes: Computes further losses of the sampled boxes.
        """

    @abstractmethod
    def predict_boxes(
        self, x: tuple[Tensor, ...], proposals: InstanceList, batch_data_samples: SampleList
    ) -> InstanceList:
        """Detect persons, as :meth:`PersonSearchModel.detect`; see :meth:`loss` for the arguments."""

    @abstractmethod
    def embed_boxes(self, x: tuple[Tensor, ...], rois: Tensor, images: Tensor) -> Tensor:
        """Embed persons: (K, D) float32, L2-normalized.

        Args:
            x: (B, C, H / s, W / s) maps of the backbone, float32.
            rois: (K, 5) image number and xyxy box in pixels of ``images``; K may be 0.
            images: (B, 3, H, W) normalized images.
        """
