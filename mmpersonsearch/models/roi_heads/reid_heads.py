"""Re-ID heads: feature maps of persons to embeddings and identity losses."""

from abc import ABCMeta, abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmpersonsearch.models.losses import select_priority_classes
from mmpersonsearch.models.num_ids import require_num_ids
from mmpersonsearch.models.teachers import ReIDTeacher, TeacherOwner
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.distributed import mean_over_ranks
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.forward_modes import kept_statistics


class ReIDHead(TeacherOwner, BaseModule, metaclass=ABCMeta):
    """Head that embeds the feature maps of persons by pooling, an optional linear reduction and BN.

    With a teacher, which stays out of the ``state_dict``, a loss compares the embeddings with the teacher's of the same
    persons' crops (TDN's L_t). For a teacher of another width, training compares the ``projection`` of the feature
    after BN instead; matching does not use it.

    Args:
        in_channels: Channels of the feature maps.
        num_ids: Number of training identities.
        feat_channels: Width of the embedding; None keeps ``in_channels`` and has no reduction.
        teacher: Arguments of the :class:`ReIDTeacher`.
        loss_distill: Config of the loss between (K, D) features of student and teacher.
        projection: Config of a layer from the embedding's width to the teacher's, e.g.
            ``dict(type='mmdet.Linear')``, built with ``in_features`` and ``out_features``, and a teacher only.
        with_bn: Whether BN follows; OIM has none (Xiao et al., CVPR 2017, section 3.1).
        pooling: Config of the layer that pools maps to one position, e.g.
            ``dict(type='torch.nn.AdaptiveMaxPool2d', output_size=1)``; None takes the mean.
        init_cfg: See MMEngine.

    Raises:
        InputError: Only one of ``teacher`` and ``loss_distill`` is given; the teacher's width is another and there is
            no ``projection``.
    """

    def __init__(
        self,
        in_channels: int,
        num_ids: int,
        feat_channels: int | None = None,
        teacher: dict | None = None,
        loss_distill: dict | None = None,
        projection: dict | None = None,
        with_bn: bool = True,
        pooling: dict | None = None,
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(init_cfg or dict(type="Normal", layer="Linear", std=0.01))
        if (teacher is None) != (loss_distill is None):
            raise InputError("reid_head: teacher and loss_distill belong together, only one of them is given")
        self.num_ids = require_num_ids(num_ids, self)
        self.feat_channels = feat_channels or in_channels
        self.pooling = MODELS.build(pooling) if pooling else nn.AdaptiveAvgPool2d(1)
        self.reduction = nn.Linear(in_channels, feat_channels) if feat_channels else nn.Identity()
        self.bn = nn.BatchNorm1d(self.feat_channels) if with_bn else nn.Identity()
        self.loss_distill = MODELS.build(loss_distill) if loss_distill else None
        self.teacher = ReIDTeacher(**teacher) if teacher else None
        self.projection = self._build_projection(projection)

    def _build_projection(self, projection: dict | None) -> nn.Module:
        if self.teacher is None:
            return nn.Identity()
        ours, theirs = self.feat_channels, self.teacher.feat_channels
        if projection is not None:
            return MODELS.build(dict(projection, in_features=ours, out_features=theirs))
        if ours != theirs:
            raise InputError(
                f"reid_head: the embedding has {ours} channels, the teacher's {theirs}. Add "
                f"projection=dict(type='mmdet.Linear') to the reid_head: it projects the embedding to the "
                f"teacher's width in training"
            )
        return nn.Identity()

    @property
    def with_teacher(self) -> bool:
        """Whether training needs crops."""
        return self.teacher is not None

    def forward(self, feat_maps: Tensor) -> Tensor:
        """Embed persons.

        Args:
            feat_maps: (K, in_channels, h, w); K may be 0.

        Returns:
            (K, feat_channels) float32 features, after BN where there is one, not L2-normalized.
        """
        pooled = self.reduction(self.pooling(feat_maps.float()).flatten(1)).float()
        with kept_statistics(self.bn, len(pooled), least=2):
            return self.bn(pooled)

    def predict(self, feat_maps: Tensor) -> Tensor:
        """Embed persons for matching: (K, feat_channels) float32, L2-normalized."""
        return F.normalize(self(feat_maps))

    def loss(
        self, feat_maps: Tensor, person_ids: Tensor, crops: Tensor | None = None, distilled: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Compute the Re-ID losses.

        Args:
            feat_maps: (K, in_channels, h, w) of persons; K may be 0.
            person_ids: (K,) int64; ``-1`` marks an unlabelled person.
            crops: (K, 3, H, W) normalized crops of the same persons; needed with a teacher only.
            distilled: (K,) whether a row is compared with the teacher's; None compares all.

        Returns:
            ``loss_id``, and ``loss_distill`` with a teacher (TDN's equation 3).
        """
        teacher_feats = self.teacher(crops) if self.with_teacher else None
        return self.loss_by_feat(self(feat_maps), person_ids, teacher_feats, distilled)

    def loss_by_feat(
        self, feats: Tensor, person_ids: Tensor, teacher_feats: Tensor | None, distilled: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Compute the losses of (K, feat_channels) features, the teacher's (K, D); see :meth:`loss`."""
        losses = dict(loss_id=self.loss_identity(feats, person_ids))
        if teacher_feats is not None:
            rows = slice(None) if distilled is None else distilled
            losses["loss_distill"] = self.loss_distill(self.projection(feats[rows]).float(), teacher_feats[rows])
        return losses

    @abstractmethod
    def loss_identity(self, feats: Tensor, person_ids: Tensor) -> Tensor:
        """Compute the identity loss: a scalar, 0 with a graph where no person is labelled."""


@MODELS.register_module()
class OIMReIDHead(ReIDHead):
    """Re-ID head whose L2-normalized embedding is matched to a LUT and a CQ (Xiao et al., CVPR 2017, section 3.1).

    Args:
        loss_id: Config of the loss on L2-normalized features, :class:`OIMLoss`; ``num_ids`` and ``feat_channels``
            are this head's.
        with_bn: See :class:`ReIDHead`, as are ``kwargs``; as published there is none.
        kwargs: Others.
    """

    def __init__(self, *, loss_id: dict, with_bn: bool = False, **kwargs: Any) -> None:
        super().__init__(with_bn=with_bn, **kwargs)
        self.loss_id = MODELS.build(dict(loss_id, num_ids=self.num_ids, feat_channels=self.feat_channels))

    def loss_identity(self, feats: Tensor, person_ids: Tensor) -> Tensor:
        """See :meth:`ReIDHead.loss_identity`."""
        return self.loss_id(F.normalize(feats), person_ids)

    def identity_scores(self, feats: Tensor) -> Tensor:
        """Compute (K, num_ids) scores that classify (K, feat_channels) L2-normalized embeddings: the LUT's cosines."""
        return feats @ self.loss_id.lut.features.t()


@MODELS.register_module()
class SoftmaxReIDHead(ReIDHead):
    """Re-ID head with a classifier on the BN feature (TDN, section III-A), without bias as in BoT.

    Args:
        loss_id: Config of the loss on (K, num_ids) scores of the labelled persons, e.g. cross entropy (L_ce), divided
            by :func:`mean_over_ranks`.
        kwargs: See :class:`ReIDHead`.
    """

    def __init__(self, *, loss_id: dict, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classifier = nn.Linear(self.feat_channels, self.num_ids, bias=False)
        self.loss_id = MODELS.build(loss_id)

    def loss_identity(self, feats: Tensor, person_ids: Tensor) -> Tensor:
        """See :meth:`ReIDHead.loss_identity`."""
        labelled = person_ids >= 0
        scores = self.classifier(feats[labelled])
        return self.loss_id(scores, person_ids[labelled], avg_factor=mean_over_ranks(labelled.sum()))

    def identity_scores(self, feats: Tensor) -> Tensor:
        """See :meth:`OIMReIDHead.identity_scores`; without a bias the length of an embedding changes no order."""
        return self.classifier(feats)


@MODELS.register_module()
class PairReIDHead(ReIDHead):
    """Re-ID head with a loss on pairs and one on identities of the L2-normalized embedding (Zhang et al., I-Net).

    The hardest negatives of the pairs (OLP) choose the priority classes of the identity loss (HEP, C2HEP). The paper
    does not give r.

    Args:
        loss_pair: Config of the loss of (N, feat_channels) features and (N,) identities, e.g. :class:`OLPLoss`.
        loss_id: Config of the loss of features, identities and (T,) classes, :class:`HEPLoss` or
            :class:`C2HEPLoss`; ``num_ids`` and ``feat_channels`` are this head's.
        pool_size: T, number of priority classes.
        num_hardest: r, number of an anchor's hardest negatives; 0 for a ``loss_pair`` without a dictionary.
        with_bn: See :class:`ReIDHead`, as are ``kwargs``; the paper has none.
        kwargs: Others.

    Raises:
        InputError: ``num_hardest`` is not 0, but ``loss_pair`` has no dictionary, or one of another width.
    """

    def __init__(
        self,
        *,
        loss_pair: dict,
        loss_id: dict,
        pool_size: int = 100,
        num_hardest: int = 20,
        with_bn: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(with_bn=with_bn, **kwargs)
        self.loss_pair = MODELS.build(loss_pair)
        self.loss_id = MODELS.build(dict(loss_id, num_ids=self.num_ids, feat_channels=self.feat_channels))
        self.pool_size = pool_size
        self.num_hardest = num_hardest
        if num_hardest and not hasattr(self.loss_pair, "hardest_negatives"):
            raise InputError(
                f"reid_head: num_hardest is {num_hardest}, but loss_pair {type(self.loss_pair).__name__} keeps no "
                "dictionary of negatives: set num_hardest=0, or take OLPLoss"
            )
        width = self.loss_pair.dictionary.features.shape[1] if num_hardest else self.feat_channels
        if width != self.feat_channels:
            raise InputError(f"reid_head: feat_channels is {self.feat_channels}, but that of loss_pair is {width}")

    def loss_by_feat(
        self, feats: Tensor, person_ids: Tensor, teacher_feats: Tensor | None, distilled: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Compute ``loss_pair`` beside the losses of :meth:`ReIDHead.loss_by_feat`."""
        losses = super().loss_by_feat(feats, person_ids, teacher_feats, distilled)
        # After loss_id, which reads the dictionary from before the batch.
        losses["loss_pair"] = self.loss_pair(F.normalize(feats), person_ids)
        return losses

    def loss_identity(self, feats: Tensor, person_ids: Tensor) -> Tensor:
        """See :meth:`ReIDHead.loss_identity`."""
        feats = F.normalize(feats)
        hardest = self.loss_pair.hardest_negatives(feats, person_ids, self.num_hardest) if self.num_hardest else None
        pool = select_priority_classes(person_ids, self.loss_id.num_pool_classes, self.pool_size, hardest)
        return self.loss_id(feats, person_ids, pool)

    def identity_scores(self, feats: Tensor) -> Tensor:
        """See :meth:`OIMReIDHead.identity_scores`; HEP's background is no identity."""
        return self.loss_id.scores(feats, torch.arange(self.num_ids, device=feats.device))
