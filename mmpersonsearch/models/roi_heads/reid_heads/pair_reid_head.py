"""Identity by pairs of persons and by the classes that are hard to tell apart (I-Net, DC-I-Net)."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from mmpersonsearch.models.losses import select_priority_classes
from mmpersonsearch.registry import MODELS

from .reid_head import ReIDHead


@MODELS.register_module()
class PairReIDHead(ReIDHead):
    """Re-ID head whose L2-normalized embedding gets a loss on pairs and one on identities (Zhang et al., I-Net).

    The hardest negatives of the pairs (OLP) choose the classes that the identity loss (HEP, C2HEP) tells apart. r is
    not in the paper: 20 is this package's choice.

    Args:
        loss_pair: Config of the loss of (N, feat_channels) features and (N,) identities, e.g. :class:`OLPLoss`.
        loss_id: Config of the loss of features, identities and (T,) classes, :class:`HEPLoss` or
            :class:`C2HEPLoss`; ``num_ids`` and ``feat_channels`` are this head's.
        pool_size: T, number of priority classes.
        num_hardest: r, how many of an anchor's negatives make their classes priority classes; 0 for a ``loss_pair``
            without a dictionary.
        with_bn: See :class:`ReIDHead`; the paper has none.
        kwargs: See :class:`ReIDHead`.

    Raises:
        ValueError: ``num_hardest`` is not 0, but ``loss_pair`` has no dictionary of negatives; its dictionary has
            another width.
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
            raise ValueError(
                f"reid_head: num_hardest is {num_hardest}, but loss_pair {type(self.loss_pair).__name__} keeps no "
                "dictionary of negatives: set num_hardest=0, or take OLPLoss"
            )
        width = self.loss_pair.dictionary.features.shape[1] if num_hardest else self.feat_channels
        if width != self.feat_channels:
            raise ValueError(f"reid_head: feat_channels is {self.feat_channels}, but that of loss_pair is {width}")

    def loss_by_feat(self, feats: Tensor, person_ids: Tensor, teacher_feats: Tensor | None) -> dict[str, Tensor]:
        """Compute ``loss_pair`` beside the losses of :meth:`ReIDHead.loss_by_feat`."""
        losses = super().loss_by_feat(feats, person_ids, teacher_feats)
        # Behind loss_id, whose classes come from the dictionary as it was before this batch.
        losses["loss_pair"] = self.loss_pair(F.normalize(feats), person_ids)
        return losses

    def loss_identity(self, feats: Tensor, person_ids: Tensor) -> Tensor:
        """See :meth:`ReIDHead.loss_identity`."""
        feats = F.normalize(feats)
        hardest = self.loss_pair.hardest_negatives(feats, person_ids, self.num_hardest) if self.num_hardest else None
        pool = select_priority_classes(person_ids, self.loss_id.num_pool_classes, self.pool_size, hardest)
        return self.loss_id(feats, person_ids, pool)
