"""The head of the strong Re-ID baseline."""

import torch
from mmdet.models.reid import LinearReIDHead
from mmdet.structures import ReIDDataSample
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS


@MODELS.register_module()
class BNNeckReIDHead(BaseModule):
    """BNNeck head of the strong Re-ID baseline, "BoT" (Luo et al., TMM 2019).

    The triplet loss sees the pooled feature, the classifier (without bias) the feature after a BN layer without
    bias; the latter is the embedding.

    Args:
        in_channels: Width of the pooled feature and of the embedding.
        num_ids: Number of training identities.
        loss_id: Config of the identity loss on (N, num_ids) scores, with label smoothing in the paper.
        loss_triplet: Config of the triplet loss on (N, in_channels) features: the batch-hard one in BoT, the weighted
            regularized one in AGW.
    """

    # The features' way into ReIDDataSample is the same.
    predict_by_feat = LinearReIDHead.predict_by_feat

    def __init__(self, in_channels: int, num_ids: int, loss_id: dict, loss_triplet: dict) -> None:
        super().__init__(init_cfg=dict(type="Normal", layer="Linear", std=0.001))
        self.num_ids = num_ids
        self.out_channels = in_channels
        self.bn = nn.BatchNorm1d(in_channels)
        self.bn.bias.requires_grad_(False)
        self.classifier = nn.Linear(in_channels, num_ids, bias=False)
        self.loss_id = MODELS.build(loss_id)
        self.loss_triplet = MODELS.build(loss_triplet)

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Embed.

        Args:
            feats: Pooled features of the stages; the last one, (N, in_channels), is used.

        Returns:
            (N, in_channels) embeddings after BN, not L2-normalized.
        """
        return self.bn(feats[-1])

    def loss(self, feats: tuple[Tensor, ...], data_samples: list[ReIDDataSample]) -> dict[str, Tensor]:
        """Compute ``loss_id`` and ``loss_triplet``, and the share of right classifications ``acc``."""
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
