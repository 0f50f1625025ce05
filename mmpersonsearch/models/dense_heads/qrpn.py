"""Query-guided region proposal network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmdet.models.dense_heads import RPNHead
from mmdet.models.utils import unpack_gt_instances
from mmdet.structures import SampleList
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.distributed import mean_over_ranks
from mmpersonsearch.utils.forward_modes import float32


@MODELS.register_module()
class QRPN(nn.Module):
    r"""Query-guided RPN of QEEPS (Munjal et al., CVPR 2019): the objectness of the query's person.

    The query's RoI feature f, flattened, weights the channels of the gallery's map: :math:`s = \sigma(W_2\,
    \mathrm{ReLU}(W_1 f + b_1) + b_2)`. A 3x3 and a 1x1 convolution, as the RPN's, read the objectness of the RPN's
    anchors from :math:`s \odot g`. It is added to the RPN's as a probability. All layers start as PyTorch's do.

    The authors give neither the RoI feature's size nor the widths: see ``configs/qeeps/README.md``.

    Args:
        in_channels: C of the maps.
        num_anchors: Anchors per position.
        roi_feat_size: Size, (height, width) or one number for both, to which the query's RoI feature is averaged.
        gate_channels: Output channels of W_1.
        feat_channels: Output channels of the 3x3 convolution.
        loss_weight: Factor of the loss.
    """

    def __init__(
        self,
        in_channels: int,
        num_anchors: int,
        roi_feat_size: int | tuple[int, int] = 7,
        gate_channels: int = 64,
        feat_channels: int = 512,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        height, width = (roi_feat_size,) * 2 if isinstance(roi_feat_size, int) else roi_feat_size
        self.roi_feat_size = (height, width)
        self.loss_weight = loss_weight
        self.squeeze = nn.Linear(in_channels * height * width, gate_channels)
        self.excite = nn.Linear(gate_channels, in_channels)
        self.conv = nn.Conv2d(in_channels, feat_channels, 3, padding=1)
        self.objectness = nn.Conv2d(feat_channels, num_anchors, 1)

    @float32()
    def forward(self, query_feats: Tensor, gallery_map: Tensor) -> Tensor:
        """Compute the logits of the objectness.

        Args:
            query_feats: (P, C, h, w) RoI features of the queries' persons, or (1, C, h, w).
            gallery_map: (P, C, H, W) maps of the galleries, or (1, C, H, W).

        Returns:
            (P, num_anchors, H, W).
        """
        pooled = F.adaptive_avg_pool2d(query_feats, self.roi_feat_size).flatten(1)
        gate = self.excite(torch.relu(self.squeeze(pooled))).sigmoid()
        return self.objectness(torch.relu(self.conv(gallery_map * gate[:, :, None, None])))

    @float32()
    def loss(self, logits: Tensor, rpn_head: RPNHead, batch_data_samples: SampleList, person_ids: Tensor) -> Tensor:
        """Compute the cross entropy on anchors that the RPN's assigner and sampler choose.

        The query's person is the only positive; other persons are background.

        Args:
            logits: (P, num_anchors, H, W), see :meth:`forward`.
            rpn_head: Gives anchors, assigner and sampler.
            batch_data_samples: Of the P galleries, with ``gt_instances.person_ids``.
            person_ids: (P,) int64 identities of the queries.

        Returns:
            Scalar, mean over the sampled anchors (see :func:`mean_over_ranks`).
        """
        persons, ignored, metas = unpack_gt_instances(batch_data_samples)
        sought = [one[one.person_ids == person_id] for one, person_id in zip(persons, person_ids)]
        anchors, flags = rpn_head.get_anchors([logits.shape[-2:]], metas, device=logits.device)
        (labels,), (weights,), *_ = rpn_head.get_targets(anchors, flags, sought, metas, ignored)
        flat = logits.permute(0, 2, 3, 1).reshape(labels.shape)
        is_sought = (labels == 0).to(flat)  # 1 is background
        summed = F.binary_cross_entropy_with_logits(flat, is_sought, weights, reduction="sum")
        return self.loss_weight * summed / mean_over_ranks((weights > 0).sum())


def add_objectness(logits: Tensor, query_logits: Tensor) -> Tensor:
    """Add the probabilities of RPN and QRPN.

    Args:
        logits: (P, A, H, W) of the RPN, or (1, A, H, W).
        query_logits: (P, A, H, W) of the :class:`QRPN`.

    Returns:
        (P, A, H, W) logits of half the sum, which order boxes as the sum does, for MMDetection's RPN to predict with.
    """
    return ((logits.sigmoid() + query_logits.sigmoid()) / 2).logit()
