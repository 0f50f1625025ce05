"""Online Instance Matching (OIM) loss."""

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from mmpersonsearch.models.memories import CircularQueue, LookupTable
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.checkpoint import load_checkpoint_file


@MODELS.register_module()
class OIMLoss(BaseModule):
    r"""Online Instance Matching loss (Xiao et al., CVPR 2017, equations 1 to 4).

    A labelled sample x of identity t is classified among the identities' LUT rows v_j and the unlabelled persons'
    CQ entries u_k: :math:`L = -\log p_t`, :math:`p_i = \exp(s\, v_i^T x) / (\sum_j \exp(s\, v_j^T x) + \sum_k
    \exp(s\, u_k^T x))`, s = 1 / tau. Empty (zero) rows take part. Unlabelled samples enter the CQ and give no loss.
    The logits use the memories as they were before this batch; only training mode updates them.

    Args:
        num_ids: Number of training identities.
        feat_channels: Width of the embedding.
        queue_size: Entries of the CQ.
        momentum: Momentum of the LUT, in [0, 1].
        scale: s, the inverse temperature.
        loss_weight: Factor of the loss.
        lut_checkpoint: File with a teacher's LUT, ``{'features': (num_ids, feat_channels)}`` or a training checkpoint
            that holds exactly one ``lut.features``; read by ``init_weights``.
        freeze_lut: Keep the LUT as it is (knowledge distillation from a teacher's LUT).
    """

    def __init__(
        self,
        num_ids: int,
        feat_channels: int = 256,
        queue_size: int = 5000,
        momentum: float = 0.5,
        scale: float = 30.0,
        loss_weight: float = 1.0,
        lut_checkpoint: str | None = None,
        freeze_lut: bool = False,
    ) -> None:
        super().__init__()
        self.num_ids = num_ids
        self.scale = scale
        self.loss_weight = loss_weight
        self.lut_checkpoint = lut_checkpoint
        self.freeze_lut = freeze_lut
        self.lut = LookupTable(num_ids, feat_channels, momentum)
        self.queue = CircularQueue(queue_size, feat_channels)

    def init_weights(self) -> None:
        """Read the teacher's LUT where one is asked for.

        Raises:
            FileNotFoundError: The file is missing.
            ValueError: It holds no LUT, several, or one of another shape.
        """
        if self.lut_checkpoint is not None:
            self.lut.features.copy_(self._read_lut(self.lut_checkpoint))

    def _read_lut(self, path: str) -> Tensor:
        checkpoint = load_checkpoint_file(path)
        state_dict = checkpoint.get("state_dict", checkpoint)
        tables = [key for key in state_dict if key == "features" or key.endswith("lut.features")]
        if len(tables) != 1:
            raise ValueError(f"lut_checkpoint {path}: expected one 'features' or '*.lut.features', found {tables}")
        table = state_dict[tables[0]]
        if table.shape != self.lut.features.shape:
            raise ValueError(
                f"lut_checkpoint {path}: {tables[0]} has shape {tuple(table.shape)}, "
                f"expected (num_ids, feat_channels) = {tuple(self.lut.features.shape)}"
            )
        return table

    def forward(self, feats: Tensor, person_ids: Tensor) -> Tensor:
        """Compute the loss and, in training mode, enter the batch into the memories.

        Args:
            feats: (N, feat_channels) L2-normalised embeddings.
            person_ids: (N,) int64 identities; ``-1`` marks an unlabelled person.

        Returns:
            Scalar, mean over the labelled samples; 0 with a graph where there is none.

        Raises:
            ValueError: An identity is not below ``num_ids``.
        """
        feats = feats.to(self.lut.features.dtype)  # float32 under autocast, too
        labelled = person_ids >= 0
        if bool((person_ids >= self.num_ids).any()):
            raise ValueError(f"OIMLoss: person_id {int(person_ids.max())}, but num_ids is {self.num_ids}")
        # The concatenation copies, so that the update below does not touch what backward needs.
        memory = torch.cat([self.lut.features, self.queue.features])
        with torch.autocast(feats.device.type, enabled=False):
            logits = self.scale * feats[labelled] @ memory.t()
        loss = F.cross_entropy(logits, person_ids[labelled], reduction="sum") / labelled.sum().clamp(min=1)
        if self.training:
            if not self.freeze_lut:
                self.lut.update(feats, person_ids)
            self.queue.update(feats[~labelled])
        return self.loss_weight * loss
