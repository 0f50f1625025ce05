"""Person-search detector that distils a person detector (KD_det)."""

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from mmdet.models.dense_heads import RPNHead
from mmdet.models.utils import unpack_gt_instances
from mmdet.structures import SampleList
from mmdet.utils import InstanceList
from torch import Tensor, nn

from mmpersonsearch.models.roi_heads.person_search_roi_head import SampledBoxes
from mmpersonsearch.models.teachers import DetectorTeacher, TeacherOwner
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.distributed import share_of_samples
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.forward_modes import float32

from .person_search_detector import PersonSearchDetector


@MODELS.register_module()
class DistilledPersonSearchDetector(TeacherOwner, PersonSearchDetector):
    r"""Person-search detector taught by a frozen detector (KD_det; Munjal et al., BMVC 2019, section 4.1).

    Its equation 3: :math:`L = L_{cls}^{rpn} + L_{reg}^{rpn} + L_{cls}^{rcn} + L_{reg}^{rcn} + \lambda_{Hint} L_{Hint} +
    \lambda_{oim} L_{oim}`, with :math:`L_{cls} = \mu L_{g,cls} + (1 - \mu) L_{t,cls}` and :math:`L_{reg} = L_{g,reg} +
    \gamma L_{t,reg}` (equation 2), g to the ground truth, t to the teacher. Both are on the student's sampled anchors
    and RoIs, with the same divisors. The terms in t are ``loss_rpn_soft``, ``loss_rpn_bounded``, ``loss_rcn_soft``,
    ``loss_rcn_bounded``.

    Student and teacher have one map each, of the same stride, and the same anchors and encodings of boxes; their
    widths may differ. The teacher stays out of the ``state_dict``.

    Args:
        teacher: Arguments of the :class:`DetectorTeacher`; its ``model`` is a :class:`PersonDetector`'s config.
        loss_hint: Config of the loss between the maps, :class:`HintLoss`; the channels are filled in. Its
            ``loss_weight`` is :math:`\lambda_{Hint}`.
        loss_soft: Config of L_t,cls, MMDetection's ``KnowledgeDistillationKLDivLoss``. Its gradient is the paper's
            times T^2 / 2, so that ``T=10, loss_weight=2 / 100`` is the paper's.
        loss_bounded: Config of L_t,reg, :class:`TeacherBoundedRegressionLoss`. Its ``loss_weight`` is gamma.
        mu: Weight of the ground truth in the classification losses.
        kwargs: See :class:`PersonSearchDetector`.

    Raises:
        InputError: mu is not in [0, 1]; student or teacher has several maps; their anchors or box encodings differ.
    """

    def __init__(
        self,
        *,
        teacher: dict,
        loss_hint: dict,
        loss_soft: dict,
        loss_bounded: dict,
        mu: float = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= mu <= 1:
            raise InputError(f"DistilledPersonSearchDetector: mu must be in [0, 1], got {mu}")
        self.mu = mu
        self.teacher = DetectorTeacher(**teacher)
        _check_same_boxes(self, self.teacher.model)
        widths = {"student_channels": self.rpn_head, "teacher_channels": self.teacher.model.rpn_head}
        self.loss_hint = MODELS.build(dict(loss_hint, **{name: head.in_channels for name, head in widths.items()}))
        self.loss_soft = MODELS.build(loss_soft)
        self.loss_bounded = MODELS.build(loss_bounded)

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor | list[Tensor]]:
        """Compute the student's and the teacher's losses; raise RuntimeError if the teacher was not loaded."""
        x = self.extract_feat(batch_inputs)
        teacher_x = self.teacher.extract_feat(batch_inputs)
        with float32():
            losses = dict(loss_hint=self.loss_hint(x[0], teacher_x[0]))
            rpn_losses, proposals = self.rpn_loss(x, teacher_x, batch_data_samples)
        losses.update(rpn_losses)
        distil = partial(self.distil_rois, teacher_x)
        losses.update(self.roi_head.loss(x, proposals, batch_data_samples, batch_inputs, distil))
        hard = ("loss_rpn_cls", "loss_cls")
        return {name: self.mu * loss if name in hard else loss for name, loss in losses.items()}

    def rpn_loss(
        self, x: tuple[Tensor, ...], teacher_x: tuple[Tensor, ...], batch_data_samples: SampleList
    ) -> tuple[dict[str, Tensor], InstanceList]:
        """Compute the RPN's losses and the teacher's on the same sampled anchors, and the proposals."""
        head = self.rpn_head
        gt_instances, ignored, metas = unpack_gt_instances(batch_data_samples)
        (scores,), (deltas,) = head(x)
        anchors, flags = head.get_anchors([scores.shape[-2:]], metas, device=scores.device)
        *targets, avg_factor = head.get_targets(anchors, flags, gt_instances, metas, ignored)
        targets = [one_map for (one_map,) in targets]
        anchors = torch.stack([one for (one,) in anchors])
        loss_cls, loss_bbox = head.loss_by_feat_single(scores, deltas, anchors, *targets, avg_factor=avg_factor)

        _, label_weights, bbox_targets, bbox_weights = (one.flatten(0, 1) for one in targets)
        student = _flatten(head, scores, deltas)
        teacher = _flatten(self.teacher.model.rpn_head, *self.teacher.predict_anchors(teacher_x))
        losses = self.distil("rpn", student, teacher, label_weights, bbox_targets, bbox_weights, avg_factor)
        losses.update(loss_rpn_cls=loss_cls, loss_rpn_bbox=loss_bbox)
        share = share_of_samples(avg_factor, scores.device)
        losses = {name: share * loss for name, loss in losses.items()}
        proposals = head.predict_by_feat([scores], [deltas], batch_img_metas=metas, cfg=self.train_cfg.rpn_proposal)
        return losses, proposals

    def distil_rois(self, teacher_x: tuple[Tensor, ...], boxes: SampledBoxes) -> dict[str, Tensor]:
        """Compute the teacher's losses of the student's sampled RoIs: ``loss_rcn_soft`` and ``loss_rcn_bounded``."""
        student = (boxes.cls_score, boxes.bbox_pred)
        teacher = self.teacher.predict_rois(teacher_x, boxes.rois)
        targets = (boxes.label_weights, boxes.bbox_targets, boxes.bbox_weights)
        return self.distil("rcn", student, teacher, *targets, avg_factor=len(boxes.rois))

    def distil(
        self,
        part: str,
        student: tuple[Tensor, Tensor],
        teacher: tuple[Tensor, Tensor],
        label_weights: Tensor,
        bbox_targets: Tensor,
        bbox_weights: Tensor,
        avg_factor: int,
    ) -> dict[str, Tensor]:
        """Compute (1 - mu) L_t,cls and gamma L_t,reg of anchors (``part`` rpn) or RoIs (rcn).

        Args:
            part: Part of the losses' names.
            student: (n, 2) logits and (n, 4) deltas.
            teacher: The same of the teacher.
            label_weights: (n,) 0 where an anchor was not sampled.
            bbox_targets: (n, 4).
            bbox_weights: (n, 4) 0 where there is no person.
            avg_factor: Number of sampled anchors or RoIs.
        """
        (scores, deltas), (teacher_scores, teacher_deltas) = student, teacher
        soft = self.loss_soft(scores, teacher_scores, label_weights, avg_factor)
        bounded = self.loss_bounded(deltas, teacher_deltas, bbox_targets, bbox_weights, avg_factor)
        return {f"loss_{part}_soft": (1 - self.mu) * soft, f"loss_{part}_bounded": bounded}


def _flatten(head: RPNHead, scores: Tensor, deltas: Tensor) -> tuple[Tensor, Tensor]:
    """Flatten to (n, 2) logits of person and background and (n, 4) deltas, image by image in the anchors' order."""
    scores = scores.permute(0, 2, 3, 1).reshape(-1, head.cls_out_channels)
    if head.use_sigmoid_cls:
        scores = F.pad(scores, (0, 1))  # sigmoid(z / T) is the softmax of (z, 0) / T
    return scores, deltas.permute(0, 2, 3, 1).reshape(-1, 4)


def _check_same_boxes(student: nn.Module, teacher: nn.Module) -> None:
    """Raise InputError if student and teacher differ in anchors or box encodings, or have several maps."""
    pair = (student, teacher)
    priors = [detector.rpn_head.prior_generator for detector in pair]
    facts = {
        "rpn_head.anchor_generator.strides": [one.strides for one in priors],
        "rpn_head.anchor_generator": [[boxes.tolist() for boxes in one.base_anchors] for one in priors],
        "rpn_head.bbox_coder": [_encoding(detector.rpn_head.bbox_coder) for detector in pair],
        "roi_head.bbox_head.bbox_coder": [_encoding(detector.roi_head.bbox_head.bbox_coder) for detector in pair],
    }
    for key, (ours, theirs) in facts.items():
        if ours != theirs:
            raise InputError(
                f"DistilledPersonSearchDetector: {key} must be the same in student and teacher, but is {ours} in the "
                f"student and {theirs} in the teacher"
            )
    if len(priors[0].strides) != 1:
        raise InputError(
            "DistilledPersonSearchDetector: student and teacher must have one map each, but "
            f"rpn_head.anchor_generator.strides are {priors[0].strides}"
        )


def _encoding(coder: nn.Module) -> tuple:
    """Describe a box coder by its class and parameters."""
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in vars(coder).items()}
    return type(coder).__name__, values
