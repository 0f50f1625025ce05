"""Cross entropy to the softened probabilities of a teacher."""

from torch import Tensor, nn

from mmpersonsearch.registry import MODELS


def soft_cross_entropy(student_scores: Tensor, teacher_scores: Tensor, temperature: float = 10.0) -> Tensor:
    r"""Soft cross entropy (Munjal et al., BMVC 2019, section 4.1).

    :math:`-\sum_c P_t^c \log P_s^c` with :math:`P = \mathrm{softmax}(z / T)` of teacher and student. As in the paper it
    is not multiplied by :math:`T^2`, which Hinton et al. do: the gradient to a score is :math:`(P_s - P_t) / T`. Nor
    has background a weight of its own, which it has in Chen et al. (NIPS 2017).

    Args:
        student_scores: (n, C) logits.
        teacher_scores: (n, C) logits; no gradient flows to them.
        temperature: T.

    Returns:
        (n,) losses; the least, where the two agree, is the entropy of the teacher's probabilities, not 0.

    Raises:
        ValueError: The shapes differ.
    """
    if student_scores.shape != teacher_scores.shape:
        raise ValueError(
            f"soft cross entropy: the student's scores are {tuple(student_scores.shape)}, the teacher's "
            f"{tuple(teacher_scores.shape)}; both must have the same classes"
        )
    teacher_probs = (teacher_scores.detach() / temperature).softmax(dim=1)
    return -(teacher_probs * (student_scores / temperature).log_softmax(dim=1)).sum(dim=1)


@MODELS.register_module()
class SoftCrossEntropyLoss(nn.Module):
    """Mean of :func:`soft_cross_entropy`, L_t,cls of Munjal et al. (equation 2), times ``loss_weight``.

    Args:
        temperature: T, 10 in the paper.
        loss_weight: Factor of the loss.

    Raises:
        ValueError: The temperature is not positive.
    """

    def __init__(self, temperature: float = 10.0, loss_weight: float = 1.0) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"SoftCrossEntropyLoss: temperature must be > 0, got {temperature}")
        self.temperature = temperature
        self.loss_weight = loss_weight

    def forward(
        self,
        student_scores: Tensor,
        teacher_scores: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
    ) -> Tensor:
        """Compute the loss.

        Args:
            student_scores: (n, C) logits.
            teacher_scores: (n, C) logits.
            weight: (n,) factors of the samples.
            avg_factor: What the sum is divided by; n by default.

        Returns:
            Scalar; 0 with a graph where n is 0.
        """
        losses = soft_cross_entropy(student_scores, teacher_scores, self.temperature)
        losses = losses if weight is None else weight * losses
        return self.loss_weight * losses.sum() / max(len(losses) if avg_factor is None else avg_factor, 1)
