"""RoI head that detects on all RoIs and embeds final boxes only (TDN, DC-I-Net)."""

from typing import Any

import torch
from mmdet.structures import DetDataSample, SampleList
from mmdet.structures.bbox import bbox2roi, bbox_overlaps
from mmdet.utils import InstanceList
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.errors import InputError
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
        distill_on: What the teacher's features are compared on (TDN's equation 2). ``"persons"``: the boxes of the
            identity loss, which overlap a person, from the sampled RoIs. ``"final"``, as the equation has it: all final
            boxes of all proposals, those on nobody too, neither limited by ``max_rois_per_img`` nor joined by the
            ground truth, which trains the identity loss alone; to that loss a box on nobody is unlabelled. A box on
            nobody with half of its area in a region to ignore is left out.
        kwargs: See :class:`PersonSearchRoIHead`.

    Raises:
        InputError: A bridge has no ``crop_extractor``; ``distill_on`` is neither, or ``"final"`` without a teacher.
    """

    def __init__(
        self,
        *,
        reid_roi_extractor: dict,
        part2: dict,
        bridge: dict | None = None,
        add_gt: bool = True,
        max_rois_per_img: int = 32,
        distill_on: str = "persons",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.reid_roi_extractor = MODELS.build(reid_roi_extractor)
        self.part2 = MODELS.build(part2)
        self.bridge = MODELS.build(bridge) if bridge else None
        self.add_gt = add_gt
        self.max_rois_per_img = max_rois_per_img
        self.distill_on = distill_on
        if self.bridge is not None and self.crop_extractor is None:
            raise InputError("roi_head: a bridge needs a crop_extractor")
        if distill_on not in ("persons", "final"):
            raise InputError(f"roi_head: distill_on is {distill_on!r}, expected 'persons' or 'final'")
        if distill_on == "final" and not self.reid_head.with_teacher:
            raise InputError("roi_head: distill_on='final' needs a teacher in the reid_head")

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
            if self.distill_on == "final":
                rois, person_ids, distilled = self.final_rois(x, proposals, batch_data_samples)
            else:
                rois, person_ids, distilled = *self.person_rois(boxes, sampled, batch_data_samples), None
        feat_maps, crops = self.extract_reid_maps(x, rois, images)
        losses.update(self.reid_head.loss(feat_maps, person_ids, crops, distilled))
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
        chosen, chosen_ids = [], []
        for found, sample in zip(self._final_boxes(boxes, sampled, batch_data_samples), batch_data_samples):
            candidates, person_ids, on_person = self._identify(found, sample.gt_instances)
            kept = on_person.nonzero().squeeze(1)[: self.max_rois_per_img]
            chosen.append(candidates[kept])
            chosen_ids.append(person_ids[kept])
        return bbox2roi(chosen), torch.cat(chosen_ids)

    @torch.no_grad()
    def final_rois(
        self, x: tuple[Tensor, ...], proposals: InstanceList, batch_data_samples: SampleList
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Take the final boxes of all proposals, with ``add_gt`` after the ground truth.

        Args:
            x: Maps of the backbone.
            proposals: The RPN's, with ``priors``: (n, 4) boxes.
            batch_data_samples: Ground truth with ``person_ids``.

        Returns:
            (K, 5) RoIs, their (K,) identities, -1 where they overlap nobody at IoU >= 0.5, and (K,) whether they are
            final boxes rather than ground truth.
        """
        boxes = self._bbox_forward(x, bbox2roi([one.priors for one in proposals]))
        chosen, chosen_ids, are_final = [], [], []
        for found, sample in zip(self._final_boxes(boxes, proposals, batch_data_samples), batch_data_samples):
            candidates, person_ids, on_person = self._identify(found, sample.gt_instances)
            is_final = torch.arange(len(candidates), device=person_ids.device) >= len(candidates) - len(found)
            counted = on_person | ~_lie_in_ignored(candidates, sample)
            chosen.append(candidates[counted])
            chosen_ids.append(person_ids[counted])
            are_final.append(is_final[counted])
        return bbox2roi(chosen), torch.cat(chosen_ids), torch.cat(are_final)

    def _final_boxes(self, boxes: dict[str, Tensor], rois: list, batch_data_samples: SampleList) -> InstanceList:
        """Threshold and NMS of the box head's outputs on the ``priors`` of one result an image, as in testing."""
        counts = [len(one.priors) for one in rois]
        return self.bbox_head.predict_by_feat(
            bbox2roi([one.priors for one in rois]).split(counts),
            boxes["cls_score"].split(counts),
            boxes["bbox_pred"].split(counts),
            [sample.metainfo for sample in batch_data_samples],
            rcnn_test_cfg=self.test_cfg,
        )

    def _identify(self, found: InstanceData, truth: InstanceData) -> tuple[Tensor, Tensor, Tensor]:
        """Give an image's boxes, with ``add_gt`` after the true ones, identities; and whether they overlap a person."""
        gt_bboxes = truth.bboxes.to(found.bboxes)
        candidates = torch.cat((gt_bboxes, found.bboxes)) if self.add_gt else found.bboxes
        if len(gt_bboxes) == 0:
            nobody = truth.person_ids.new_full((len(candidates),), -1)
            return candidates, nobody, torch.zeros_like(nobody, dtype=torch.bool)
        ious, nearest = bbox_overlaps(candidates, gt_bboxes).max(dim=1)
        on_person = ious >= 0.5
        return candidates, truth.person_ids[nearest].where(on_person, truth.person_ids.new_tensor(-1)), on_person

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


def _lie_in_ignored(bboxes: Tensor, sample: DetDataSample) -> Tensor:
    """Tell which of an image's (n, 4) boxes have at least half of their area in a region to ignore, as (n,) bool."""
    ignored = sample.get("ignored_instances")
    if ignored is None or "bboxes" not in ignored:
        return torch.zeros(len(bboxes), dtype=torch.bool, device=bboxes.device)
    return (bbox_overlaps(bboxes, ignored.bboxes.to(bboxes), mode="iof") >= 0.5).any(dim=1)
