"""RoI head with one RoI feature for detection and Re-ID (OIM, OIM*, I-Net)."""

import torch
from mmdet.models.layers import multiclass_nms
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.structures import SampleList
from mmdet.structures.bbox import bbox2roi
from mmdet.utils import InstanceList
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.forward_modes import float32, kept_statistics

from .person_search_roi_head import BoxDistillation, PersonSearchRoIHead


@MODELS.register_module()
class CoupledRoIHead(PersonSearchRoIHead):
    """RoI head whose box head and Re-ID head read the same feature of a RoI (OIM, TDN's OIM*, I-Net).

    In training the Re-ID head sees the sampled RoIs that overlap a person; in testing the RoIs that NMS keeps.
    """

    def extract_maps(self, x: tuple[Tensor, ...], rois: Tensor) -> Tensor:
        """Compute the (n, C, h, w) maps that both heads read, for (n, 5) RoIs; n may be 0."""
        with kept_statistics(self.shared_head, len(rois)):
            return self.shared_head(self.bbox_roi_extractor(x, rois))

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
        rois = bbox2roi([one.priors for one in sampled])
        return self.loss_by_maps(self.extract_maps(x, rois), rois, sampled, batch_data_samples, images, distil_boxes)

    def loss_by_maps(
        self,
        feat_maps: Tensor,
        rois: Tensor,
        sampled: list[SamplingResult],
        batch_data_samples: SampleList,
        images: Tensor,
        distil_boxes: BoxDistillation | None = None,
    ) -> dict[str, Tensor]:
        """Compute the losses from the (n, C, h, w) maps of the (n, 5) sampled RoIs; see :meth:`loss`."""
        with float32():
            scores, deltas = self.bbox_head(feat_maps.float())
            losses = self.loss_boxes(scores, deltas, rois, sampled, distil_boxes)

        # SamplingResult puts an image's persons before its background.
        is_person = [torch.arange(len(one.priors), device=rois.device) < len(one.pos_priors) for one in sampled]
        is_person = torch.cat(is_person)
        truth = [sample.gt_instances.person_ids for sample in batch_data_samples]
        person_ids = torch.cat([ids[one.pos_assigned_gt_inds] for ids, one in zip(truth, sampled)])
        crops = self.crop_extractor((images,), rois[is_person]) if self.reid_head.with_teacher else None
        losses.update(self.reid_head.loss(feat_maps[is_person], person_ids, crops))
        return losses

    def predict_boxes(
        self, x: tuple[Tensor, ...], proposals: InstanceList, batch_data_samples: SampleList
    ) -> InstanceList:
        """See :meth:`PersonSearchRoIHead.predict_boxes`; adds ``priors``, and ``reid_feats`` embedded at these."""
        rois = bbox2roi([one.bboxes for one in proposals])
        feat_maps = self.extract_maps(x, rois)
        counts = [len(one) for one in proposals]
        metas = [sample.metainfo for sample in batch_data_samples]
        return [self._detect(*one) for one in zip(rois.split(counts), feat_maps.split(counts), metas)]

    def embed_boxes(self, x: tuple[Tensor, ...], rois: Tensor, images: Tensor) -> Tensor:
        """See :meth:`PersonSearchRoIHead.embed_boxes`."""
        return self.reid_head.predict(self.extract_maps(x, rois))

    def _detect(self, rois: Tensor, feat_maps: Tensor, img_meta: dict) -> InstanceData:
        """Turn one image's (n, 5) RoIs and their (n, C, h, w) maps into detections; n may be 0."""
        raw, cfg = self._classify(rois, feat_maps, img_meta), self.test_cfg
        dets, labels, kept = multiclass_nms(
            raw.bboxes, raw.scores, cfg.score_thr, cfg.nms, cfg.max_per_img, return_inds=True
        )
        found = InstanceData(bboxes=dets[:, :4], scores=dets[:, 4], labels=labels, priors=rois[kept, 1:])
        found.reid_feats = self.reid_head.predict(feat_maps[kept])
        return found

    def _classify(self, rois: Tensor, feat_maps: Tensor, img_meta: dict) -> InstanceData:
        """Compute (n, 4) ``bboxes`` and (n, 2) ``scores`` of person and background, before NMS; see :meth:`_detect`."""
        with float32():
            scores, deltas = self.bbox_head(feat_maps.float())
        return self.bbox_head.predict_by_feat((rois,), (scores,), (deltas,), [img_meta], rcnn_test_cfg=None)[0]
