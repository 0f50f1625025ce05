"""RoI head that compares the boxes of galleries with queries."""

from typing import Any

import torch
import torch.nn.functional as F
from mmdet.models.layers import multiclass_nms
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.structures import SampleList
from mmdet.structures.bbox import bbox2roi
from mmdet.utils import InstanceList
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.registry import MODELS

from .coupled_roi_head import CoupledRoIHead


@MODELS.register_module()
class QueryGuidedRoIHead(CoupledRoIHead):
    """OIM's RoI head with QEEPS' similarity of a query and a gallery's boxes.

    Args:
        qsimnet: Config of the :class:`QSimNet`; its width is the embedding's. None matches by the cosine, as OIM does.
        kwargs: See :class:`PersonSearchRoIHead`.
    """

    def __init__(self, *, qsimnet: dict | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.qsimnet = MODELS.build(dict(qsimnet, channels=self.reid_head.feat_channels)) if qsimnet else None

    def loss_pairs(
        self,
        x: tuple[Tensor, ...],
        proposals: InstanceList,
        batch_data_samples: SampleList,
        images: Tensor,
        query_boxes: list[Tensor],
        person_ids: Tensor,
    ) -> dict[str, Tensor]:
        """Compute the losses of both images, and ``loss_similarity`` of queries and the galleries' sampled RoIs.

        Args:
            x: (2 P, C, H / s, W / s) maps, those of a pair's query and gallery in turn, as the next three.
            proposals: See :meth:`loss`.
            batch_data_samples: See :meth:`loss`.
            images: See :meth:`loss`.
            query_boxes: P boxes, (1, 4) in pixels of ``images``.
            person_ids: (P,) identities of the queries.
        """
        sampled = self.sample_proposals(proposals, batch_data_samples)
        rois, query_rois = bbox2roi([one.priors for one in sampled]), bbox2roi(query_boxes)
        query_rois[:, 0] *= 2
        # In one batch, whose statistics the shared head's batch norms take
        feat_maps = self.extract_maps(x, torch.cat((rois, query_rois)))
        of_rois, of_queries = feat_maps.split((len(rois), len(query_rois)))
        losses = self.loss_by_maps(of_rois, rois, sampled, batch_data_samples, images)
        if self.qsimnet is not None:
            losses["loss_similarity"] = self._loss_similarity(
                of_queries, of_rois[rois[:, 0] % 2 == 1], sampled[1::2], batch_data_samples[1::2], person_ids
            )
        return losses

    def _loss_similarity(
        self,
        of_queries: Tensor,
        of_galleries: Tensor,
        sampled: list[SamplingResult],
        batch_data_samples: SampleList,
        person_ids: Tensor,
    ) -> Tensor:
        """Compare P queries with the sampled RoIs of their galleries, from the maps of both."""
        counts = torch.tensor([len(one.priors) for one in sampled], device=person_ids.device)
        queries, boxes = self.reid_head.predict(torch.cat((of_queries, of_galleries))).split(
            (len(of_queries), len(of_galleries))
        )
        truth = [sample.gt_instances.person_ids for sample in batch_data_samples]
        is_same = torch.cat([_shows(*one) for one in zip(sampled, truth, person_ids)])
        return self.qsimnet.loss(queries.repeat_interleave(counts, dim=0), boxes, is_same)

    def predict_pairs(
        self, x: tuple[Tensor, ...], proposals: InstanceList, batch_data_samples: SampleList, query_feats: Tensor
    ) -> InstanceList:
        """Detect persons in P galleries, and match them with P queries.

        Args:
            x: (P, C, H / s, W / s) maps of the galleries.
            proposals: The galleries', in pixels of the input.
            batch_data_samples: Of the galleries.
            query_feats: (P, D) L2-normalized embeddings of the queries.

        Returns:
            Per pair, by decreasing order in the NMS: ``bboxes`` (n, 4) in pixels of the gallery's input, ``scores``
            (n,) of the class person, above ``score_thr``, and ``similarities`` (n,), QSimNet's probability or the
            cosine. NMS keeps the most similar of boxes that overlap; by the cosine, that of highest score, as OIM.
        """
        rois = bbox2roi([one.bboxes for one in proposals])
        counts = [len(one) for one in proposals]
        parts = zip(rois.split(counts), self.extract_maps(x, rois).split(counts), batch_data_samples, query_feats)
        match = self._match_by_cosine if self.qsimnet is None else self._match_by_qsimnet
        return [match(rois, maps, sample.metainfo, query) for rois, maps, sample, query in parts]

    def _match_by_cosine(self, rois: Tensor, feat_maps: Tensor, img_meta: dict, query_feat: Tensor) -> InstanceData:
        found = self._detect(rois, feat_maps, img_meta)
        return InstanceData(
            bboxes=found.bboxes, scores=found.scores, similarities=(found.reid_feats @ query_feat).double()
        )

    def _match_by_qsimnet(self, rois: Tensor, feat_maps: Tensor, img_meta: dict, query_feat: Tensor) -> InstanceData:
        raw, cfg = self._classify(rois, feat_maps, img_meta), self.test_cfg
        is_person = raw.scores[:, 0] > cfg.score_thr
        bboxes, scores = raw.bboxes[is_person], raw.scores[is_person, 0]
        feats = self.reid_head.predict(feat_maps[is_person])
        similarities = self.qsimnet.similarity(query_feat.expand_as(feats), feats)
        # Log-odds of person (and background): probabilities near 1 would be equal in float32.
        by_class = F.pad(similarities.logit().to(scores)[:, None], (0, 1))
        _, _, kept = multiclass_nms(bboxes, by_class, -torch.inf, cfg.nms, cfg.max_per_img, return_inds=True)
        return InstanceData(bboxes=bboxes[kept], scores=scores[kept], similarities=similarities[kept])


def _shows(sampled: SamplingResult, person_ids: Tensor, person_id: Tensor) -> Tensor:
    """Mark the (n,) sampled RoIs of an image, its persons before its background, that show a person."""
    is_same = person_ids.new_zeros(len(sampled.priors), dtype=torch.bool)
    is_same[: len(sampled.pos_priors)] = person_ids[sampled.pos_assigned_gt_inds] == person_id
    return is_same
