"""Person detector, person-search detector and the interface of person-search models in testing."""

from abc import ABCMeta, abstractmethod

import torch
from mmdet.models.detectors import TwoStageDetector
from mmdet.structures import SampleList
from mmdet.structures.bbox import bbox2roi, scale_boxes
from mmdet.utils import InstanceList
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.distributed import share_of_samples
from mmpersonsearch.utils.forward_modes import float32


def query_boxes(batch_data_samples: SampleList, like: Tensor) -> list[Tensor]:
    """Scale the queries' boxes of each image to the input: a list of (Q, 4), Q = 0 for an image without queries."""
    boxes = []
    for sample in batch_data_samples:
        has_queries = "query_instances" in sample
        own = sample.query_instances.bboxes.to(like) if has_queries else like.new_zeros(0, 4)
        boxes.append(scale_boxes(own, sample.scale_factor) if has_queries else own)
    return boxes


class PersonSearchModel(metaclass=ABCMeta):
    """Mixin of MMDetection's detectors that embed persons; ``predict`` is made of ``detect`` and ``embed``."""

    @abstractmethod
    def detect(
        self, batch_inputs: Tensor, batch_data_samples: SampleList, x: tuple[Tensor, ...] | None = None
    ) -> InstanceList:
        """Detect persons.

        Args:
            batch_inputs: (B, 3, H, W) normalized images.
            batch_data_samples: One per image.
            x: Maps of ``extract_feat``, if they are computed already.

        Returns:
            Per image ``bboxes`` (n, 4) in pixels of the input, ``scores`` (n,), ``labels`` (n,). A model that embeds
            a detection at the prior it was regressed from adds ``priors`` (n, 4) and ``reid_feats`` (n, D).
        """

    @abstractmethod
    def embed(self, batch_inputs: Tensor, boxes: list[Tensor], x: tuple[Tensor, ...] | None = None) -> list[Tensor]:
        """Embed persons at given boxes.

        Args:
            batch_inputs: (B, 3, H, W) normalized images.
            boxes: (n, 4) per image, xyxy in pixels of the input; n may be 0, also for all images.
            x: See :meth:`detect`.

        Returns:
            (n, D) per image, float32 and L2-normalized.
        """

    def predict(self, batch_inputs: Tensor, batch_data_samples: SampleList, rescale: bool = True) -> SampleList:
        """Detect persons, and embed them and the queries.

        Args:
            batch_inputs: (B, 3, H, W) normalized images.
            batch_data_samples: One per image; ``query_instances`` may have ``bboxes`` in pixels of the original image.
            rescale: Whether to return boxes in pixels of the original image.

        Returns:
            The data samples with ``pred_instances`` (``bboxes`` (n, 4), ``scores`` (n,), ``labels`` (n,),
            ``reid_feats`` (n, D)) and, where an image has queries, ``query_instances.reid_feats`` (Q, D).
        """
        x = self.extract_feat(batch_inputs)
        detections = self.detect(batch_inputs, batch_data_samples, x)
        queries = query_boxes(batch_data_samples, batch_inputs)
        pending = [found.bboxes[:0] if "reid_feats" in found else found.bboxes for found in detections]
        feats = self.embed(batch_inputs, [torch.cat(pair) for pair in zip(pending, queries)], x)
        results = []
        for sample, found, own, embedded in zip(batch_data_samples, detections, pending, feats):
            reid_feats = found.get("reid_feats", embedded[: len(own)])
            bboxes = scale_boxes(found.bboxes, [1 / s for s in sample.scale_factor]) if rescale else found.bboxes
            results.append(InstanceData(bboxes=bboxes, scores=found.scores, labels=found.labels, reid_feats=reid_feats))
            if "query_instances" in sample:
                sample.query_instances.reid_feats = embedded[len(own) :]
        return self.add_pred_to_datasample(batch_data_samples, results)


@MODELS.register_module()
class PersonDetector(TwoStageDetector):
    """MMDetection's two-stage detector with RPN and box head in float32 under autocast."""

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute the maps of backbone and neck from (B, 3, H, W) images, in float32 also under autocast."""
        return tuple(feat.float() for feat in super().extract_feat(batch_inputs))

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor | list[Tensor]]:
        """Compute the losses of RPN and box head.

        Args:
            batch_inputs: (B, 3, H, W) normalized images.
            batch_data_samples: One per image, with ``gt_instances``.
        """
        x = self.extract_feat(batch_inputs)
        losses, proposals = self.loss_rpn(x, batch_data_samples)
        with float32():
            losses.update(self.roi_head.loss(x, proposals, batch_data_samples))
        return losses

    @float32()
    def loss_rpn(
        self, x: tuple[Tensor, ...], batch_data_samples: SampleList
    ) -> tuple[dict[str, list[Tensor]], InstanceList]:
        """Compute the RPN's losses and its proposals in pixels of the input; see :meth:`loss`.

        MMDetection divides by the number of this rank's sampled anchors, hence :func:`share_of_samples`.
        """
        losses, proposals = self.rpn_head.loss_and_predict(
            x, batch_data_samples, proposal_cfg=self.train_cfg.rpn_proposal
        )
        return self.share_rpn_losses(losses), proposals

    def share_rpn_losses(self, losses: dict[str, list[Tensor]]) -> dict[str, list[Tensor]]:
        """Weight the losses that the RPN has just computed by :func:`share_of_samples`."""
        sampled = self.rpn_head._raw_positive_infos["sampling_results"]
        share = share_of_samples(sum(one.avg_factor for one in sampled), next(iter(losses.values()))[0].device)
        return {name: [share * loss for loss in of_maps] for name, of_maps in losses.items()}


@MODELS.register_module()
class PersonSearchDetector(PersonSearchModel, PersonDetector):
    """Person detector whose RoI head also embeds persons (OIM, TDN, FDPS, I-Net).

    The RoI head gets the images, too, from which teacher and bridge crop persons. The data samples of training have
    ``gt_instances`` with ``labels`` 0 and ``person_ids``.
    """

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor | list[Tensor]]:
        """Compute the losses of RPN, box head and Re-ID; see :meth:`PersonDetector.loss`."""
        x = self.extract_feat(batch_inputs)
        losses, proposals = self.loss_rpn(x, batch_data_samples)
        losses.update(self.roi_head.loss(x, proposals, batch_data_samples, batch_inputs))
        return losses

    def detect(
        self, batch_inputs: Tensor, batch_data_samples: SampleList, x: tuple[Tensor, ...] | None = None
    ) -> InstanceList:
        """See :meth:`PersonSearchModel.detect`."""
        x = self.extract_feat(batch_inputs) if x is None else x
        with float32():
            proposals = self.rpn_head.predict(x, batch_data_samples, rescale=False)
        return self.roi_head.predict_boxes(x, proposals, batch_data_samples)

    def embed(self, batch_inputs: Tensor, boxes: list[Tensor], x: tuple[Tensor, ...] | None = None) -> list[Tensor]:
        """See :meth:`PersonSearchModel.embed`."""
        x = self.extract_feat(batch_inputs) if x is None else x
        return self.roi_head.embed_boxes(x, bbox2roi(boxes), batch_inputs).split([len(one) for one in boxes])
