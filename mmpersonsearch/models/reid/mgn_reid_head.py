"""The head of the Multiple Granularity Network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmdet.models.reid import LinearReIDHead
from mmdet.structures import ReIDDataSample
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS


@MODELS.register_module()
class MGNReIDHead(BaseModule):
    """Head of the Multiple Granularity Network (MGN, Wang et al., ACM MM 2018, sections 3.1 and 3.2).

    The map of each branch gives a global max-pooled feature z_g; the second branch's also 2 and the third's 3
    horizontal stripes, max-pooled. A 1x1 convolution, batch norm and ReLU of its own reduces each of these 3 + 5
    features; the 8 reduced ones in a row are the embedding. As in the paper, the softmax loss is on the 3 global
    features *before* and the 5 part features *after* the reduction, by classifiers without bias, the triplet loss on
    the 3 global ones after it. Either is the mean over its features, since the paper does not weigh them.

    A height that 2 or 3 do not divide is cut into stripes that overlap by a row.

    Args:
        in_channels: Channels of the maps.
        num_ids: Number of training identities.
        loss_id: Config of the identity loss on (N, num_ids) scores.
        loss_triplet: Config of the triplet loss on (N, feat_channels) features.
        feat_channels: Width of one reduced feature; the embedding has 8 times as much.
        classify_reduced: Take the softmax loss of global features after the reduction, as the public implementations.
    """

    num_stripes = (1, 2, 3)  # by branch

    # The features' way into ReIDDataSample is the same.
    predict_by_feat = LinearReIDHead.predict_by_feat

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
        self.num_ids = num_ids
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
        """Max-pool maps of (N, in_channels, h, w): 3 global features, 2 and 3 stripes from top to bottom.

        Returns:
            8 features of (N, in_channels, 1, 1).
        """
        feats = [F.adaptive_max_pool2d(one, 1) for one in maps]
        for one, n in zip(maps, self.num_stripes, strict=True):
            if n > 1:
                feats.extend(F.adaptive_max_pool2d(one, (n, 1)).split(1, dim=2))
        return feats

    def reduce(self, pooled: list[Tensor]) -> list[Tensor]:
        """Reduce 8 pooled features to (N, feat_channels)."""
        return [reduction(feat).flatten(1) for reduction, feat in zip(self.reductions, pooled, strict=True)]

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Embed.

        Args:
            feats: The branches' maps, (N, in_channels, h, w) each.

        Returns:
            (N, 8 * feat_channels) embeddings, not L2-normalized.
        """
        return torch.cat(self.reduce(self.pool(feats)), dim=1)

    def loss(self, feats: tuple[Tensor, ...], data_samples: list[ReIDDataSample]) -> dict[str, Tensor]:
        """Compute ``loss_id`` and ``loss_triplet``, and the global branch's share of right classifications ``acc``."""
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

    def predict(
        self, feats: tuple[Tensor, ...], data_samples: list[ReIDDataSample] | None = None
    ) -> list[ReIDDataSample]:
        """Put the embeddings into ``pred_feature`` of the data samples."""
        return self.predict_by_feat(self(feats), data_samples)
