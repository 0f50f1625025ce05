"""One RoI feature for detection and Re-ID (OIM, OIM*, I-Net)."""

import torch
from mmdet.models.layers import multiclass_nms
from mmdet.structures import SampleList
from mmdet.structures.bbox import bbox2roi
from mmdet.utils import InstanceList
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.models.batch_norms import kept_statistics
from mmpersonsearch.registry import MODELS

from .person_search_roi_head import BoxDistillation, PersonSearchRoIHead


@MODELS.register_module()
class CoupledRoIHead(PersonSearchRoIHead):
    """Every RoI runs through the shared head; box head and Re-ID head read the same feature (OIM, TDN's OIM*).

    In training the Re-ID head sees the sampled RoIs that overlap a person; in testing the RoIs that NMS keeps.
    """

    def extract_maps(self, x: tuple[Tensor, ...], rois: Tensor) -> Tensor:
        """Compute the (n, C, h, w) maps that both heads read, for (n, 5) RoIs; n may be 0."""
        with kept_statistics(self.shared_head, len(rois)):
            return self.shared_head(self.bbox_roi_extractor(x, rois))[-1]

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
        feat_maps = self.extract_maps(x, rois)
        with torch.autocast(rois.device.type, enabled=False):
            scores, deltas = self.bbox_head(feat_maps.float())
            losses = self.loss_boxes(scores, deltas, rois, sampled, distil_boxes)

        # SamplingResult puts an image's persons before its background.
        is_person = torch.cat(
            [torch.arange(len(one.priors), device=rois.device) < len(one.pos_priors) for one in sampled]
        )
        person_ids = torch.cat(
            [
                sample.gt_instances.person_ids[one.pos_assigned_gt_inds]
                for sample, one in zip(batch_data_samples, sampled)
            ]
        )
        crops = self.crop(images, rois[is_person]) if self.reid_head.with_teacher else None
        losses.update(self.reid_head.loss(feat_maps[is_person], person_ids, crops))
        return losses

    def predict(
        self,
        x: tuple[Tensor, ...],
        proposals: InstanceList,
        batch_data_samples: SampleList,
        images: Tensor,
        rescale: bool = True,
    ) -> InstanceList:
        """See :meth:`PersonSearchRoIHead.predict`."""
        # The queries go through the shared head behind the proposals, in one batch.
        boxes = [one.bboxes for one in proposals] + self.query_boxes(batch_data_samples, x[0])
        rois = bbox2roi(boxes)
        num_imgs = len(batch_data_samples)
        rois[:, 0] %= num_imgs
        counts = [len(one) for one in boxes]
        feat_maps = self.extract_maps(x, rois).split(counts)
        rois = rois.split(counts)

        detections, reid_feats = [], []
        for i, sample in enumerate(batch_data_samples):
            found, kept = self.detect(rois[i], feat_maps[i], sample.metainfo)
            detections.append(found)
            reid_feats.append(self.reid_head.predict(torch.cat((feat_maps[i][kept], feat_maps[num_imgs + i]))))
        return self.pack_results(detections, reid_feats, batch_data_samples, rescale)

    def detect(self, rois: Tensor, feat_maps: Tensor, img_meta: dict) -> tuple[InstanceData, Tensor]:
        """Turn one image's RoIs into detections.

        Args:
            rois: (n, 5).
            feat_maps: (n, C, h, w) of the RoIs.
            img_meta: Meta information of the image.

        Returns:
            The m detections after NMS, in pixels of the input, and (m,) which RoI each came from.
        """
        if len(rois) == 0:
            nothing = rois.new_zeros(0)
            found = InstanceData(bboxes=rois[:, 1:], scores=nothing, labels=nothing.long())
            return found, nothing.long()
        with torch.autocast(rois.device.type, enabled=False):
            scores, deltas = self.bbox_head(feat_maps.float())
        (raw,) = self.bbox_head.predict_by_feat((rois,), (scores,), (deltas,), [img_meta], rcnn_test_cfg=None)
        cfg = self.test_cfg
        dets, labels, kept = multiclass_nms(
            raw.bboxes, raw.scores, cfg.score_thr, cfg.nms, cfg.max_per_img, return_inds=True
        )
        return InstanceData(bboxes=dets[:, :4], scores=dets[:, 4], labels=labels), kept
