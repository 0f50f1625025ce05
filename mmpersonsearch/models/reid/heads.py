"""Heads of Re-ID models: BNNeck (BoT, AGW) and the Multiple Granularity Network (MGN)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmdet.models.reid import LinearReIDHead
from mmdet.structures import ReIDDataSample
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmpersonsearch.models.num_ids import require_num_ids
from mmpersonsearch.registry import MODELS


@MODELS.register_module()
class BNNeckReIDHead(BaseModule):
    """BNNeck head of the strong Re-ID baseline, "BoT" (Luo et al., TMM 2019).

    The triplet loss sees the pooled feature, the bias-free classifier the feature after a bias-free BN, which is the
    embedding.

    Args:
        in_channels: Width of the pooled feature and of the embedding.
        num_ids: Number of training identities.
        loss_id: Config of the identity loss on (N, num_ids) scores, with label smoothing in the paper.
        loss_triplet: Config of the triplet loss on (N, in_channels) features: batch-hard in BoT, weighted regularized
            in AGW.
    """

    predict_by_feat = LinearReIDHead.predict_by_feat

    def __init__(self, in_channels: int, num_ids: int, loss_id: dict, loss_triplet: dict) -> None:
        super().__init__(init_cfg=dict(type="Normal", layer="Linear", std=0.001))
        self.num_ids = require_num_ids(num_ids, self)
        self.out_channels = in_channels
        self.bn = nn.BatchNorm1d(in_channels)
        self.bn.bias.requires_grad_(False)
        self.classifier = nn.Linear(in_channels, num_ids, bias=False)
        self.loss_id = MODELS.build(loss_id)
        self.loss_triplet = MODELS.build(loss_triplet)

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Embed the last of the stages' pooled features, (N, in_channels), by BN; not L2-normalized."""
        return self.bn(feats[-1])

    def loss(self, feats: tuple[Tensor, ...], data_samples: list[ReIDDataSample]) -> dict[str, Tensor]:
        """Compute ``loss_id``, ``loss_triplet`` and ``acc``, the fraction of correct classifications."""
        labels = torch.cat([sample.gt_label.label for sample in data_samples]).to(feats[-1].device)
        scores = self.classifier(self(feats))
        return dict(
            loss_id=self.loss_id(scores, labels),
            loss_triplet=self.loss_triplet(feats[-1].float(), labels),
            acc=(scores.argmax(1) == labels).float().mean(),
        )

    def predict(
        self, feats: tuple[Tensor, ...], data_samples: list[ReIDDataSample] | None = None
    ) -> list[ReIDDataSample]:
        """Put the embeddings into ``pred_feature`` of the data samples."""
        return self.predict_by_feat(self(feats), data_samples)


@MODELS.register_module()
class MGNReIDHead(BaseModule):
    """Head of the Multiple Granularity Network (MGN, Wang et al., ACM MM 2018, sections 3.1 and 3.2).

    Each branch's map gives a global max-pooled feature; the second branch also gives 2 and the third 3 max-pooled
    horizontal stripes (which overlap by a row if the height is not divisible). A 1x1 convolution, batch norm and ReLU
    reduces each of the 3 + 5 features; their concatenation is the embedding. As in the paper, the softmax loss is on
    the global features *before* and the part features *after* the reduction, by bias-free classifiers, and the triplet
    loss on the reduced global ones. Each loss is the mean over its features; the paper gives no weights.

    Args:
        in_channels: Channels of the maps.
        num_ids: Number of training identities.
        loss_id: Config of the identity loss on (N, num_ids) scores.
        loss_triplet: Config of the triplet loss on (N, feat_channels) features.
        feat_channels: Width of one reduced feature; the embedding is 8 times as wide.
        classify_reduced: Classify global features after the reduction, too, as public implementations do.
    """

    num_stripes = (1, 2, 3)  # by branch
    predict_by_feat, predict = LinearReIDHead.predict_by_feat, BNNeckReIDHead.predict

    def __init__(
        self,
        in_channels: int,
        num_ids: int,
        loss_id: dict,
        loss_triplet: dict,
        feat_channels: int = 256,
        classify_reduced: bool = False,
    ) -> None:
        super().__init__(init_cfg=dict(type="Normal", layer="Linear", std=0.001))
        self.num_ids = require_num_ids(num_ids, self)
        self.classify_reduced = classify_reduced
        self.num_globals = len(self.num_stripes)
        num_feats = self.num_globals + sum(n for n in self.num_stripes if n > 1)
        self.out_channels = num_feats * feat_channels
        self.reductions = ModuleList(
            ConvModule(in_channels, feat_channels, 1, norm_cfg=dict(type="BN")) for _ in range(num_feats)
        )
        global_channels = feat_channels if classify_reduced else in_channels
        self.classifiers = ModuleList(
            nn.Linear(global_channels if i < self.num_globals else feat_channels, num_ids, bias=False)
            for i in range(num_feats)
        )
        self.loss_id = MODELS.build(loss_id)
        self.loss_triplet = MODELS.build(loss_triplet)

    def pool(self, maps: tuple[Tensor, ...]) -> list[Tensor]:
        """Max-pool (N, in_channels, h, w) maps to 8 (N, in_channels, 1, 1): 3 global, 2 and 3 stripes from the top."""
        feats = [F.adaptive_max_pool2d(one, 1) for one in maps]
        for one, n in zip(maps, self.num_stripes, strict=True):
            if n > 1:
                feats.extend(F.adaptive_max_pool2d(one, (n, 1)).split(1, dim=2))
        return feats

    def reduce(self, pooled: list[Tensor]) -> list[Tensor]:
        """Reduce 8 pooled features to (N, feat_channels)."""
        return [reduction(feat).flatten(1) for reduction, feat in zip(self.reductions, pooled, strict=True)]

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Embed the branches' (N, in_channels, h, w) maps: (N, 8 * feat_channels), not L2-normalized."""
        return torch.cat(self.reduce(self.pool(feats)), dim=1)

    def loss(self, feats: tuple[Tensor, ...], data_samples: list[ReIDDataSample]) -> dict[str, Tensor]:
        """Compute ``loss_id``, ``loss_triplet`` and the global branch's ``acc``; see :meth:`BNNeckReIDHead.loss`."""
        labels = torch.cat([sample.gt_label.label for sample in data_samples]).to(feats[0].device)
        pooled = self.pool(feats)
        reduced = self.reduce(pooled)
        classified = list(reduced)
        if not self.classify_reduced:
            classified[: self.num_globals] = [feat.flatten(1) for feat in pooled[: self.num_globals]]
        scores = [classify(feat) for classify, feat in zip(self.classifiers, classified, strict=True)]
        triplets = [self.loss_triplet(feat.float(), labels) for feat in reduced[: self.num_globals]]
        return dict(
            loss_id=torch.stack([self.loss_id(score, labels) for score in scores]).mean(),
            loss_triplet=torch.stack(triplets).mean(),
            acc=(scores[0].argmax(1) == labels).float().mean(),
        )
