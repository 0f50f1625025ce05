"""Box regression that need not be better than the teacher's."""

import torch
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS


def teacher_bounded_regression(
    student_deltas: Tensor,
    teacher_deltas: Tensor,
    targets: Tensor,
    weight: Tensor | None = None,
    margin: float = 0.0,
) -> Tensor:
    r"""Square error of the boxes where the student is no better than its teacher (Chen et al., NIPS 2017, equation 4).

    :math:`L_b = \|R_s - y\|_2^2` where :math:`\|R_s - y\|_2^2 + m > \|R_t - y\|_2^2`, else 0. The teacher's regression
    is a bound and no target: it may be wrong, even in direction.

    Args:
        student_deltas: (n, 4) R_s.
        teacher_deltas: (n, 4) R_t; no gradient flows to them.
        targets: (n, 4) y, the ground truth in the same encoding.
        weight: (n, 4) factors of the square errors, of student and teacher alike.
        margin: m, by which the student must be better for no loss. Neither Chen et al. nor Munjal et al. tell theirs;
            at 0 a student as good as its teacher has no loss.

    Returns:
        (n,) losses.

    Raises:
        ValueError: The shapes differ.
    """
    if not student_deltas.shape == teacher_deltas.shape == targets.shape:
        raise ValueError(
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
        """Divide the sum of :func:`teacher_bounded_regression` by ``avg_factor``, n by default.

        Returns:
            Scalar; 0 with a graph where n is 0.
        """
        losses = teacher_bounded_regression(student_deltas, teacher_deltas, targets, weight, self.margin)
        return self.loss_weight * losses.sum() / max(len(losses) if avg_factor is None else avg_factor, 1)
