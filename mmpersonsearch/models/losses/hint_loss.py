"""Hints: the student's map is to be a linear image of the teacher's."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.distributed import mean_over_ranks


@MODELS.register_module()
class HintLoss(nn.Module):
    r"""L2 loss between the teacher's map and the adapted map of the student.

    :math:`L_{Hint} = \|f_a(F_s) - F_t\|_2^2` (Munjal et al., BMVC 2019, equation 1). :math:`f_a` is a 1x1 convolution,
    also where both maps have the same width: Chen et al. (NIPS 2017), whom the paper follows, found that it matters
    then, too. The square norm is divided by the number of elements B C H W, so that the weight means the same for maps
    of any size; neither paper says what it is divided by.

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
            Scalar; 0 with a graph where B is 0. Under distribution, the mean over the ranks is that over the elements
            of all.

        Raises:
            ValueError: The maps differ in B, H or W, or the teacher's has another number of channels.
        """
        adapted = self.adaptation(student_feat)
        if adapted.shape != teacher_feat.shape:
            raise ValueError(
                f"hint loss: the student's map is {tuple(adapted.shape)} after the adaptation, the teacher's "
                f"{tuple(teacher_feat.shape)}; both must have the same stride and see the same images"
            )
        error = F.mse_loss(adapted, teacher_feat.detach(), reduction="sum")
        return self.loss_weight * error / mean_over_ranks(torch.tensor(teacher_feat.numel(), device=error.device))
