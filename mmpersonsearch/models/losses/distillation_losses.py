"""Losses between student and teacher: features, maps and boxes."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.distributed import mean_over_ranks
from mmpersonsearch.utils.errors import InputError


def feature_distillation(
    student_feats: Tensor, teacher_feats: Tensor, avg_factor: Tensor | float | None = None
) -> Tensor:
    """L_t of TDN (equation 2): mean over persons of ||f_s - f_t||^2 of the L2-normalized features.

    Args:
        student_feats: (K, D), any length.
        teacher_feats: (K, D), any length; no gradient flows to it.
        avg_factor: What the sum is divided by, more than 0; K by default.

    Returns:
        Scalar in [0, 4]; 0 with a graph where K is 0.

    Raises:
        InputError: The shapes differ.
    """
    if student_feats.shape != teacher_feats.shape:
        raise InputError(
            f"feature distillation: student_feats are {tuple(student_feats.shape)} but "
            f"teacher_feats {tuple(teacher_feats.shape)}; the teacher's feature width must be the student's"
        )
    difference = F.normalize(student_feats) - F.normalize(teacher_feats.detach())
    return difference.square().sum() / (max(len(student_feats), 1) if avg_factor is None else avg_factor)


@MODELS.register_module()
class FeatureDistillationLoss(nn.Module):
    """L_t of TDN (equation 2), times ``loss_weight`` (w of equation 3).

    Args:
        loss_weight: Factor of the loss; ``LossWeightScheduleHook`` changes it during training.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, student_feats: Tensor, teacher_feats: Tensor) -> Tensor:
        """See :func:`feature_distillation`; each rank has to call this, see :func:`mean_over_ranks`."""
        number = mean_over_ranks(torch.tensor(len(student_feats), device=student_feats.device))
        return self.loss_weight * feature_distillation(student_feats, teacher_feats, number)


@MODELS.register_module()
class HintLoss(nn.Module):
    r"""L2 loss between the teacher's map and the adapted map of the student.

    :math:`L_{Hint} = \|f_a(F_s) - F_t\|_2^2` (Munjal et al., BMVC 2019, equation 1). :math:`f_a` is a 1x1 convolution,
    also between maps of the same width, as Chen et al. (NIPS 2017) recommend. The square norm is divided by the number
    of elements B C H W; neither paper gives the divisor.

    Args:
        student_channels: Channels of the student's map.
        teacher_channels: Channels of the teacher's map.
        loss_weight: Factor of the loss, :math:`\lambda_{Hint}` of equation 3.
    """

    def __init__(self, student_channels: int, teacher_channels: int, loss_weight: float = 0.5) -> None:
        super().__init__()
        self.adaptation = nn.Conv2d(student_channels, teacher_channels, kernel_size=1)
        self.loss_weight = loss_weight

    def forward(self, student_feat: Tensor, teacher_feat: Tensor) -> Tensor:
        """Compare two maps.

        Args:
            student_feat: (B, student_channels, H, W).
            teacher_feat: (B, teacher_channels, H, W); no gradient flows to it.

        Returns:
            Scalar; 0 with a graph where B is 0. Under distribution, see :func:`mean_over_ranks`.

        Raises:
            InputError: The maps differ in B, H or W, or the teacher's has another number of channels.
        """
        adapted = self.adaptation(student_feat)
        if adapted.shape != teacher_feat.shape:
            raise InputError(
                f"hint loss: the student's map is {tuple(adapted.shape)} after the adaptation, the teacher's "
                f"{tuple(teacher_feat.shape)}; both must have the same stride and see the same images"
            )
        error = F.mse_loss(adapted, teacher_feat.detach(), reduction="sum")
        return self.loss_weight * error / mean_over_ranks(torch.tensor(teacher_feat.numel(), device=error.device))


def teacher_bounded_regression(
    student_deltas: Tensor,
    teacher_deltas: Tensor,
    targets: Tensor,
    weight: Tensor | None = None,
    margin: float = 0.0,
) -> Tensor:
    r"""Square error of the boxes where the student is no better than its teacher (Chen et al., NIPS 2017, equation 4).

    :math:`L_b = \|R_s - y\|_2^2` where :math:`\|R_s - y\|_2^2 + m > \|R_t - y\|_2^2`, else 0.

    Args:
        student_deltas: (n, 4) R_s.
        teacher_deltas: (n, 4) R_t; no gradient flows to them.
        targets: (n, 4) y, the ground truth in the same encoding.
        weight: (n, 4) factors of both square errors.
        margin: m, by which the student must be better for no loss; neither Chen et al. nor Munjal et al. give theirs.

    Returns:
        (n,) losses.

    Raises:
        InputError: The shapes differ.
    """
    if not student_deltas.shape == teacher_deltas.shape == targets.shape:
        raise InputError(
            f"teacher-bounded regression: the student's deltas are {tuple(student_deltas.shape)}, the teacher's "
            f"{tuple(teacher_deltas.shape)}, the targets {tuple(targets.shape)}; all must be the same"
        )
    weight = torch.ones_like(targets) if weight is None else weight
    student_error = (weight * (student_deltas - targets).square()).sum(dim=1)
    teacher_error = (weight * (teacher_deltas.detach() - targets).square()).sum(dim=1)
    return student_error * (student_error + margin > teacher_error)


@MODELS.register_module()
class TeacherBoundedRegressionLoss(nn.Module):
    """Mean of :func:`teacher_bounded_regression`, L_t,reg of Munjal et al. (equation 2), times ``loss_weight``.

    Args:
        margin: m of Chen et al.'s equation 4.
        loss_weight: Factor of the loss, gamma of Munjal et al.'s equation 2.
    """

    def __init__(self, margin: float = 0.0, loss_weight: float = 0.5) -> None:
        super().__init__()
        self.margin = margin
        self.loss_weight = loss_weight

    def forward(
        self,
        student_deltas: Tensor,
        teacher_deltas: Tensor,
        targets: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
    ) -> Tensor:
        """Divide the sum of the losses by ``avg_factor``, n by default; 0 with a graph where n is 0."""
        losses = teacher_bounded_regression(student_deltas, teacher_deltas, targets, weight, self.margin)
        return self.loss_weight * losses.sum() / max(len(losses) if avg_factor is None else avg_factor, 1)
