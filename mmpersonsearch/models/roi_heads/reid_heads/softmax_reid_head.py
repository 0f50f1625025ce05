"""Identity classification by a linear classifier (TDN)."""

from typing import Any

from torch import Tensor, nn

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.distributed import mean_over_ranks

from .reid_head import ReIDHead


@MODELS.register_module()
class SoftmaxReIDHead(ReIDHead):
    """Re-ID head with a bias-free classifier on the BN feature (TDN, section III-A).

    Args:
        loss_id: Config of the loss on (K, num_ids) scores of the labelled persons, e.g. cross entropy (L_ce). Under
            distribution, the mean over the ranks is the mean over the labelled persons of all.
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
