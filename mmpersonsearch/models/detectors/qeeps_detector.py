"""Query-guided end-to-end person search (QEEPS)."""

from __future__ import annotations

from math import ceil
from typing import Any, NamedTuple

import torch
from mmdet.models.utils import unpack_gt_instances
from mmdet.structures import SampleList
from mmdet.structures.bbox import bbox2roi
from mmdet.utils import InstanceList
from torch import Tensor, nn

from mmpersonsearch.models.dense_heads.qrpn import add_objectness
from mmpersonsearch.registry import MODELS
from mmpersonsearch.structures import PairImages
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.forward_modes import batch_norms, float32

from .person_search_detector import PersonSearchDetector, query_boxes


@MODELS.register_module()
class QEEPSDetector(PersonSearchDetector):
    """OIM whose maps, proposals and scores of a gallery depend on the query (QEEPS; Munjal et al., CVPR 2019).

    Both images of a pair run through one base, whose residual blocks are each followed by a gate from both
    (:class:`QSSE`). The :class:`QRPN` adds the objectness of the query's person to the RPN's. The RoI head,
    :class:`QueryGuidedRoIHead`, compares the embeddings of query and boxes by a :class:`QSimNet`. Without these three
    it is OIM, pair by pair.

    In training, the neighbors in a batch are pairs of images that share an identity, as
    :class:`IdentityPairBatchSampler` makes them. Which of the two is the query is drawn, and which of the persons that
    both show. All other losses are OIM's, of both images.

    Without a pair (:meth:`predict`, :meth:`embed`), each image is its own query, and proposals are the RPN's.

    Args:
        backbone: Config of the base, :class:`ResNetIBN`.
        qsse: Config of the gates; their channels are the blocks'. None has no gates.
        qrpn: Config of the :class:`QRPN`; channels and anchors are the RPN's. None has none.
        kwargs: See :class:`PersonSearchDetector`.
    """

    def __init__(self, *, backbone: dict, qsse: dict | None = None, qrpn: dict | None = None, **kwargs: Any) -> None:
        super().__init__(backbone=backbone, **kwargs)
        self.qsse = self.qrpn = None
        if qsse is not None:
            widths = [batch_norms(block)[-1].num_features for _, block in self.backbone.list_blocks()]
            self.qsse = nn.ModuleList(MODELS.build(dict(qsse, channels=width)) for width in widths)
        if qrpn is not None:
            head = self.rpn_head
            self.qrpn = MODELS.build(dict(qrpn, in_channels=head.in_channels, num_anchors=head.num_base_priors))

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor | list[Tensor]]:
        """Compute OIM's losses of both images, ``loss_qrpn`` and ``loss_similarity``.

        Args:
            batch_inputs: (2 P, 3, H, W) normalized images, pair by pair.
            batch_data_samples: One per image, with ``gt_instances``.

        Raises:
            InputError: Two images show no labelled person in common.
        """
        pairs = draw_pairs(batch_data_samples)
        images = batch_inputs[pairs.order]
        samples = [batch_data_samples[i] for i in pairs.order]
        shared = self.extract_shared(images)
        queries, galleries = (PairImages(shared[side::2], samples[side::2]) for side in (0, 1))
        query_map, gallery_map = self.extract_pairs(queries, galleries)
        places = torch.arange(len(samples)).view(2, -1).t().flatten()
        x = (torch.cat((query_map, gallery_map))[places],)  # pair by pair, as the memories shall see them
        losses, query_logits = {}, None
        if self.qrpn is not None:
            query_feats = self.roi_head.bbox_roi_extractor((query_map,), bbox2roi(pairs.query_boxes))
            query_logits = self.qrpn(query_feats, gallery_map)
            losses["loss_qrpn"] = self.qrpn.loss(query_logits, self.rpn_head, galleries.data_samples, pairs.person_ids)
        of_rpn, proposals = self.loss_proposals(x, samples, query_logits)
        of_rois = self.roi_head.loss_pairs(x, proposals, samples, images, pairs.query_boxes, pairs.person_ids)
        return {**of_rpn, **losses, **of_rois}

    @float32()
    def loss_proposals(
        self, x: tuple[Tensor, ...], batch_data_samples: SampleList, query_logits: Tensor | None
    ) -> tuple[dict[str, list[Tensor]], InstanceList]:
        """Compute the RPN's losses of queries and galleries, and the proposals.

        Args:
            x: (2 P, C, H / s, W / s) maps, those of a pair's query and gallery in turn.
            batch_data_samples: In the same order.
            query_logits: (P, A, H / s, W / s) of the QRPN, which it adds to the galleries'; None adds nothing.
        """
        persons, ignored, metas = unpack_gt_instances(batch_data_samples)
        (logits,), (deltas,) = self.rpn_head(x)
        losses = self.share_rpn_losses(self.rpn_head.loss_by_feat([logits], [deltas], persons, metas, ignored))
        if query_logits is not None:
            logits = logits.detach().clone()
            logits[1::2] = add_objectness(logits[1::2], query_logits.detach())
        cfg = self.train_cfg.rpn_proposal
        return losses, self.rpn_head.predict_by_feat([logits], [deltas], batch_img_metas=metas, cfg=cfg)

    def extract_shared(self, batch_inputs: Tensor) -> Tensor:
        """Compute what does not depend on the pair from (B, 3, H, W) normalized images.

        Returns:
            (B, C, H / 4, W / 4) of stem and first block; without QSSE, (B, C, H / s, W / s) of the whole base.
        """
        if self.qsse is None:
            return self.backbone(batch_inputs)[0]
        (_, block), *_ = self.backbone.list_blocks()
        return block(self.backbone.forward_stem(batch_inputs))

    def extract_pairs(self, queries: PairImages, galleries: PairImages) -> tuple[Tensor, Tensor]:
        """Compute the base's maps of P pairs.

        Returns:
            (P, C, H / s, W / s) of the queries and of the galleries, in float32. Without QSSE, a map that all pairs
            share stays (1, C, H / s, W / s).
        """
        query_map, gallery_map = queries.maps, galleries.maps
        for i, ((stage, block), gate) in enumerate(zip(self.backbone.list_blocks(), self.qsse or ())):
            if i > 0:
                query_map, gallery_map = _run_on_both(block, query_map, gallery_map)
            stride = 2 ** (stage + 1)
            sizes = [_sizes(query_map, queries, stride), _sizes(gallery_map, galleries, stride)]
            query_map, gallery_map = gate(query_map, gallery_map, *sizes)
        return query_map.float(), gallery_map.float()

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute the base's map of (B, 3, H, W) images, each its own query, in float32; padding enters the gates."""
        maps = self.extract_shared(batch_inputs)
        for i, ((_, block), gate) in enumerate(zip(self.backbone.list_blocks(), self.qsse or ())):
            maps = block(maps) if i > 0 else maps
            maps, _ = gate(maps, maps)
        return (maps.float(),)

    def detect_pairs(self, queries: PairImages, galleries: PairImages) -> InstanceList:
        """Search for each query in its gallery.

        Args:
            queries: Of P pairs, maps of :meth:`extract_shared`; either side may be one image that all pairs share.
            galleries: The same.

        Returns:
            Per pair ``bboxes`` (n, 4) in pixels of the gallery's input, ``scores`` (n,) of the class person and
            ``similarities`` (n,) float64, the matching scores; see :meth:`QueryGuidedRoIHead.predict_pairs`.

        Raises:
            InputError: A query has not exactly one box.
        """
        query_map, gallery_map = self.extract_pairs(queries, galleries)
        num_pairs = max(len(query_map), len(gallery_map))
        samples = _repeat(galleries.data_samples, num_pairs)
        rois = bbox2roi(_repeat(_boxes_of_queries(queries, query_map), len(query_map)))
        with float32():
            (logits,), (deltas,) = self.rpn_head((gallery_map,))
            if self.qrpn is not None:
                query_feats = self.roi_head.bbox_roi_extractor((query_map,), rois)
                logits = add_objectness(logits, self.qrpn(query_feats, gallery_map))
            outs = [one.expand(num_pairs, -1, -1, -1) for one in (logits, deltas)]
            metas = [sample.metainfo for sample in samples]
            proposals = self.rpn_head.predict_by_feat(outs[:1], outs[1:], batch_img_metas=metas)
        feats = self.roi_head.reid_head.predict(self.roi_head.extract_maps((query_map,), rois)).expand(num_pairs, -1)
        return self.roi_head.predict_pairs((gallery_map.expand(num_pairs, -1, -1, -1),), proposals, samples, feats)


class TrainingPairs(NamedTuple):
    """Pairs of a batch.

    Attributes:
        order: Numbers of the images in the batch, those of a pair's query and gallery in turn.
        query_boxes: P boxes, (1, 4) in pixels of the input.
        person_ids: (P,) int64 identities of the queries.
    """

    order: list[int]
    query_boxes: list[Tensor]
    person_ids: Tensor


def draw_pairs(batch_data_samples: SampleList) -> TrainingPairs:
    """Draw, for each two neighbors in a batch, which is the query, and one of the labelled persons that both show.

    Raises:
        InputError: An odd number of images, or two that show no such person.
    """
    if len(batch_data_samples) % 2:
        raise InputError(f"QEEPSDetector: a batch of {len(batch_data_samples)} images, expected pairs (an even number)")
    order, boxes, drawn = [], [], []
    for first in range(0, len(batch_data_samples), 2):
        query = first + int(torch.randint(2, ()))
        gallery = 2 * first + 1 - query
        ids, others = (batch_data_samples[i].gt_instances.person_ids for i in (query, gallery))
        common = torch.nonzero((ids >= 0) & torch.isin(ids, others)).flatten()
        if len(common) == 0:
            paths = [batch_data_samples[i].get("img_path", f"image {i} of the batch") for i in (query, gallery)]
            raise InputError(
                f"QEEPSDetector: {paths[0]} and {paths[1]} show no labelled person in common: train_dataloader needs "
                "batch_sampler=dict(type='IdentityPairBatchSampler'), and a pipeline that keeps these persons"
            )
        person = common[torch.randint(len(common), ())]
        order += [query, gallery]
        boxes.append(batch_data_samples[query].gt_instances.bboxes[person][None])
        drawn.append(ids[person])
    return TrainingPairs(order, boxes, torch.stack(drawn))


def _run_on_both(block: nn.Module, query_map: Tensor, gallery_map: Tensor) -> tuple[Tensor, Tensor]:
    """Run a block on both sides, in one batch where they are of one size, as in training: batch norms see both."""
    if query_map.shape[1:] != gallery_map.shape[1:]:
        return block(query_map), block(gallery_map)
    return block(torch.cat((query_map, gallery_map))).split((len(query_map), len(gallery_map)))


def _sizes(maps: Tensor, images: PairImages, stride: int) -> list[tuple[int, int]]:
    """(height, width) of the part of each of the (P, C, h, w) maps that shows the image, not padding."""
    shapes = [sample.img_shape[:2] for sample in images.data_samples]
    return _repeat([(ceil(height / stride), ceil(width / stride)) for height, width in shapes], len(maps))


def _repeat(values: list, number: int) -> list:
    """Repeat the only value of a list, if it has only one, for each of a number of pairs."""
    return values * number if len(values) == 1 else values


def _boxes_of_queries(queries: PairImages, like: Tensor) -> list[Tensor]:
    boxes = query_boxes(queries.data_samples, like)
    if any(len(one) != 1 for one in boxes):
        raise InputError(f"detect_pairs: each query needs one box, got {[len(one) for one in boxes]} boxes")
    return boxes
