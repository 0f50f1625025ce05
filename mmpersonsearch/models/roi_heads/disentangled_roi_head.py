"""RoI head that detects on all RoIs and embeds final boxes only (TDN, DC-I-Net)."""

from typing import Any

import torch
from mmdet.structures import SampleList
from mmdet.structures.bbox import bbox2roi, bbox_overlaps
from mmdet.utils import InstanceList
from torch import Tensor

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.forward_modes import float32, kept_statistics

from .person_search_roi_head import BoxDistillation, PersonSearchRoIHead


@MODELS.register_module()
class DisentangledRoIHead(PersonSearchRoIHead):
    """TDN's partially disentangled heads (Liu et al., section III-A).

    A light box head works on all RoIs; the Re-ID branch (Part-2 and the Re-ID head) only on final boxes, after NMS,
    in training and testing. A bridge (KTB) adds the transferring feature maps of the persons' crops to their base
    feature maps.

    Args:
        reid_roi_extractor: Config of the RoI extractor of the base feature maps, 32 x 16 in the paper.
        part2: Config of the network between base feature maps and Re-ID head.
        bridge: Config of the knowledge transfer bridge, if any.
        add_gt: Whether in training the ground-truth boxes join the final boxes, which hold hardly a person in the
            first epochs (the paper does not say).
        max_rois_per_img: Maximum of final boxes per image that train the Re-ID branch: ground truth, then by score.
        kwargs: See :class:`PersonSearchRoIHead`.
    """

    def __init__(
        self,
        *,
        reid_roi_extractor: dict,
        part2: dict,
        bridge: dict | None = None,
        add_gt: bool = True,
        max_rois_per_img: int = 32,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.reid_roi_extractor = MODELS.build(reid_roi_extractor)
        self.part2 = MODELS.build(part2)
        self.bridge = MODELS.build(bridge) if bridge else None
        self.add_gt = add_gt
        self.max_rois_per_img = max_rois_per_img
        if self.bridge is not None and self.crop_extractor is None:
            raise ValueError("roi_head: a bridge needs a crop_extractor")

    def loss(
        self,
        x: tuple[Tensor, ...],
        proposals: InstanceList,
        batch_data_samples: SampleList,
        images: Tensor,
        distil_boxes: BoxDistillation | None = None,
    ) -> dict[str, Tensor]:
        """See :meth:`PersonSearchRoIHead.loss`."""
        sampled = self.sample_proposals(proposals, batch_data_samples)
        with float32():
            sampled_rois = bbox2roi([one.priors for one in sampled])
            boxes = self._bbox_forward(x, sampled_rois)
            losses = self.loss_boxes(boxes["cls_score"], boxes["bbox_pred"], sampled_rois, sampled, distil_boxes)
            rois, person_ids = self.person_rois(boxes, sampled, batch_data_samples)
        feat_maps, crops = self.extract_reid_maps(x, rois, images)
        losses.update(self.reid_head.loss(feat_maps, person_ids, crops))
        return losses

    @torch.no_grad()
    def person_rois(
        self, boxes: dict[str, Tensor], sampled: list, batch_data_samples: SampleList
    ) -> tuple[Tensor, Tensor]:
        """Choose the final boxes that overlap a person at IoU >= 0.5 for the Re-ID branch.

        Args:
            boxes: ``cls_score`` and ``bbox_pred`` of the sampled RoIs.
            sampled: One ``SamplingResult`` an image.
            batch_data_samples: Ground truth with ``person_ids``.

        Returns:
            (K, 5) RoIs and their (K,) identities.
        """
        counts = [len(one.priors) for one in sampled]
        final = self.bbox_head.predict_by_feat(
            bbox2roi([one.priors for one in sampled]).split(counts),
            boxes["cls_score"].split(counts),
            boxes["bbox_pred"].split(counts),
            [sample.metainfo for sample in batch_data_samples],
            rcnn_test_cfg=self.test_cfg,
        )
        chosen, person_ids = [], []
        for found, sample in zip(final, batch_data_samples):
            truth = sample.gt_instances
            gt_bboxes = truth.bboxes.to(found.bboxes)
            candidates = torch.cat((gt_bboxes, found.bboxes)) if self.add_gt else found.bboxes
            if len(gt_bboxes) == 0:
                chosen.append(candidates[:0])
                person_ids.append(truth.person_ids[:0])
                continue
            ious, nearest = bbox_overlaps(candidates, gt_bboxes).max(dim=1)
            kept = (ious >= 0.5).nonzero().squeeze(1)[: self.max_rois_per_img]
            chosen.append(candidates[kept])
            person_ids.append(truth.person_ids[nearest[kept]])
        return bbox2roi(chosen), torch.cat(person_ids)

    def extract_reid_maps(self, x: tuple[Tensor, ...], rois: Tensor, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Run Part-2 on the base feature maps, with the bridge's added; see :meth:`embed_boxes` for the arguments.

        Returns:
            (K, C, h, w) maps for the Re-ID head, and the (K, 3, H', W') crops where training or the bridge needs them.
        """
        needs_crops = self.bridge is not None or (self.training and self.reid_head.with_teacher)
        crops = self.crop_extractor((images,), rois) if needs_crops else None
        base = self.reid_roi_extractor(x, rois)
        if self.bridge is not None:
            with kept_statistics(self.bridge, len(rois)):
                base = base + self.bridge(crops)
        with kept_statistics(self.part2, len(rois)):
            return self.part2(base), crops

    @float32()
    def predict_boxes(
        self, x: tuple[Tensor, ...], proposals: InstanceList, batch_data_samples: SampleList
    ) -> InstanceList:
        """See :meth:`PersonSearchRoIHead.predict_boxes`."""
        return self.predict_bbox(x, [sample.metainfo for sample in batch_data_samples], proposals, self.test_cfg)

    def embed_boxes(self, x: tuple[Tensor, ...], rois: Tensor, images: Tensor) -> Tensor:
        """See :meth:`PersonSearchRoIHead.embed_boxes`."""
        return self.reid_head.predict(self.extract_reid_maps(x, rois, images)[0])
