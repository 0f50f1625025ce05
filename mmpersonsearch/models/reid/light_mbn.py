"""LightMBN: seven embeddings of a person from a global, a part and a channel branch."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmdet.models.reid import BaseReID, LinearReIDHead
from mmdet.structures import ReIDDataSample
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmpersonsearch.models.backbones import OSBlock
from mmpersonsearch.models.num_ids import require_num_ids
from mmpersonsearch.registry import MODELS


def drop_top_rows(maps: Tensor, ratio: float) -> Tensor:
    """Set each map's rows of the highest activation to 0 (Top DropBlock, Quispe and Pedrini, ICPR 2020, section III-B).

    A row's activation is the largest square norm of its positions' features.

    Args:
        maps: (N, C, H, W).
        ratio: Fraction of the rows; their number is rounded.
    """
    activations = maps.detach().square().sum(1).amax(2)
    top = activations.topk(round(ratio * maps.shape[2]), dim=1).indices
    return maps * torch.ones_like(activations).scatter(1, top, 0.0)[:, None, :, None]


@MODELS.register_module()
class LightMBNReIDHead(BaseModule):
    """Head of the Lightweight Multi-Branch Network (LightMBN, Herzog et al., ICIP 2021, section 2).

    The seven embeddings, in this order:

    0. the mean of the global branch's map, behind an omni-scale block of its own;
    1. the maximum of this map, in training without its third of rows of the highest activation
       (:func:`drop_top_rows`);
    2. the maximum of the part branch's map;
    3. and 4. the means of its upper and lower half;
    5. and 6. the means of the channel branch's first and second half of the channels, which share a 1x1 convolution
       with BN and ReLU.

    A bias-free 1x1 convolution of its own reduces each of the first five. A bias-free BN (BNNeck) and a bias-free
    classifier follow each of the seven. The identity loss is the sum over the seven scores, the triplet loss the sum
    over the first three features before the BN; matching uses the features behind it.

    Args:
        in_channels: Channels of the maps.
        num_ids: Number of training identities.
        loss_id: Config of the identity loss on (N, num_ids) scores.
        loss_triplet: Config of the loss on (N, feat_channels) features and (N,) identities; LightMBN's paper has the
            multi-similarity loss.
        feat_channels: Width of one embedding.
        drop_ratio: Fraction of rows that training drops.
    """

    num_parts = 7
    num_triplets = 3
    predict_by_feat = LinearReIDHead.predict_by_feat

    def __init__(
        self,
        in_channels: int,
        num_ids: int,
        loss_id: dict,
        loss_triplet: dict,
        feat_channels: int = 512,
        drop_ratio: float = 1 / 3,
    ) -> None:
        super().__init__(init_cfg=dict(type="Normal", layer="Linear", std=0.001))
        self.num_ids = require_num_ids(num_ids, self)
        self.out_channels = self.num_parts * feat_channels
        self.drop_ratio = drop_ratio
        self.global_block = OSBlock(in_channels, in_channels)
        self.reductions = ModuleList(
            nn.Conv2d(in_channels, feat_channels, 1, bias=False) for _ in range(self.num_parts - 2)
        )
        self.shared = ConvModule(in_channels // 2, feat_channels, 1, norm_cfg=dict(type="BN"))
        self.norms = ModuleList(nn.BatchNorm1d(feat_channels) for _ in range(self.num_parts))
        for norm in self.norms:
            norm.bias.requires_grad_(False)
        self.classifiers = ModuleList(nn.Linear(feat_channels, num_ids, bias=False) for _ in range(self.num_parts))
        self.loss_id = MODELS.build(loss_id)
        self.loss_triplet = MODELS.build(loss_triplet)

    def pool(self, maps: tuple[Tensor, ...]) -> list[Tensor]:
        """Pool the branches' three (N, in_channels, h, w) maps to seven (N, c, 1, 1), c half for the last two."""
        whole, parts, channels = maps
        whole = self.global_block(whole)
        kept = drop_top_rows(whole, self.drop_ratio) if self.training else whole
        return [
            F.adaptive_avg_pool2d(whole, 1),
            F.adaptive_max_pool2d(kept, 1),
            F.adaptive_max_pool2d(parts, 1),
            *F.adaptive_avg_pool2d(parts, (2, 1)).split(1, dim=2),
            *F.adaptive_avg_pool2d(channels, 1).chunk(2, dim=1),
        ]

    def reduce(self, maps: tuple[Tensor, ...]) -> list[Tensor]:
        """Compute the seven (N, feat_channels) features before the BN; see :meth:`pool`."""
        layers = [*self.reductions, self.shared, self.shared]
        return [layer(feat).flatten(1) for layer, feat in zip(layers, self.pool(maps), strict=True)]

    def forward(self, maps: tuple[Tensor, ...]) -> Tensor:
        """Embed the maps of :meth:`pool`: (N, 7, feat_channels) behind the BN, not L2-normalized."""
        return torch.stack([norm(feat) for norm, feat in zip(self.norms, self.reduce(maps), strict=True)], dim=1)

    def classify(self, feats: list[Tensor]) -> list[Tensor]:
        """Compute the seven (N, num_ids) scores of the features of :meth:`reduce`."""
        layers = zip(self.norms, self.classifiers, feats, strict=True)
        return [classifier(norm(feat)) for norm, classifier, feat in layers]

    def loss(self, maps: tuple[Tensor, ...], data_samples: list[ReIDDataSample]) -> dict[str, Tensor]:
        """Compute the losses of the maps of :meth:`pool`; see :meth:`loss_by_feat`."""
        feats = self.reduce(maps)
        return self.loss_by_feat(feats, self.classify(feats), data_samples)

    def loss_by_feat(
        self, feats: list[Tensor], scores: list[Tensor], data_samples: list[ReIDDataSample]
    ) -> dict[str, Tensor]:
        """Compute ``loss_id``, ``loss_triplet`` and ``acc`` of :meth:`reduce`'s features and :meth:`classify`'s scores.

        ``acc`` is the fraction of persons that the global feature classifies correctly.
        """
        labels = torch.cat([sample.gt_label.label for sample in data_samples]).to(feats[0].device)
        return dict(
            loss_id=sum(self.loss_id(one, labels) for one in scores),
            loss_triplet=sum(self.loss_triplet(one.float(), labels) for one in feats[: self.num_triplets]),
            acc=(scores[0].argmax(1) == labels).float().mean(),
        )


@MODELS.register_module()
class LightMBN(BaseReID):
    """Re-ID model whose embedding has L2-normalized parts: LightMBN, with :class:`LightMBNReIDHead` as head.

    The embeddings of a picture and of the mirrored one are added, then each of the seven is normalized. The similarity
    is the dot product, the sum of the parts' cosines: normalizing the whole would but divide it by seven.

    Args:
        mirrored: Whether to add the mirrored picture's embedding, at the price of twice the time.
        kwargs: Arguments of MMDetection's ``BaseReID``.
    """

    def __init__(self, mirrored: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mirrored = mirrored

    def embed(self, images: Tensor) -> Tensor:
        """Embed (N, 3, H, W) normalized images: (N, 7, feat_channels), each part of length 1."""
        parts = self.head(self.extract_feat(images))
        if self.mirrored:
            parts = parts + self.head(self.extract_feat(images.flip(3)))
        return F.normalize(parts.float(), dim=2)

    def forward(
        self, inputs: Tensor, data_samples: list[ReIDDataSample] | None = None, mode: str = "tensor"
    ) -> Tensor | list[ReIDDataSample] | dict[str, Tensor]:
        """Run a mode of MMDetection's ``BaseReID``; ``'tensor'`` gives (N, 7 * feat_channels) of :meth:`embed`."""
        if mode == "tensor":
            return self.embed(inputs).flatten(1)
        return super().forward(inputs, data_samples, mode)

    def predict(self, inputs: Tensor, data_samples: list[ReIDDataSample] | None = None) -> list[ReIDDataSample]:
        """Put the parts of :meth:`embed`, in a row, into ``pred_feature`` of the data samples."""
        return self.head.predict_by_feat(self.embed(inputs).flatten(1), data_samples)
