"""Identity classification by memories of features (OIM)."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from mmpersonsearch.registry import MODELS

from .reid_head import ReIDHead


@MODELS.register_module()
class OIMReIDHead(ReIDHead):
    """Re-ID head whose L2-normalised embedding is matched to a LUT and a CQ (Xiao et al., CVPR 2017, section 3.1).

    As published it has no BN: a batch's own statistics move the embeddings away from what the memories hold.

    Args:
        loss_id: Config of the loss on L2-normalised features, :class:`OIMLoss`; ``num_ids`` and ``feat_channels``
            are this head's.
        with_bn: See :class:`ReIDHead`.
        kwargs: See :class:`ReIDHead`.
    """

    def __init__(self, *, loss_id: dict, with_bn: bool = False, **kwargs: Any) -> None:
        super().__init__(with_bn=with_bn, **kwargs)
        self.loss_id = MODELS.build(dict(loss_id, num_ids=self.num_ids, feat_channels=self.feat_channels))

    def loss_identity(self, feats: Tensor, person_ids: Tensor) -> Tensor:
        """See :meth:`ReIDHead.loss_identity`."""
        return self.loss_id(F.normalize(feats), person_ids)
