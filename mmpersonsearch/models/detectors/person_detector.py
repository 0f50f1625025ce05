"""A detector of persons alone."""

from mmdet.models.detectors import TwoStageDetector
from torch import Tensor

from mmpersonsearch.registry import MODELS


@MODELS.register_module()
class PersonDetector(TwoStageDetector):
    """MMDetection's two-stage detector, such as Faster R-CNN, on one of our backbones.

    It differs from MMDetection's only in the layout of the backbone's maps. It is the first step of
    :class:`TwoStepPersonSearch`.
    """

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute the maps of backbone and neck, contiguous.

        Args:
            batch_inputs: (B, 3, H, W) normalised images.
        """
        # RoIAlign on the CPU misreads the channels_last maps that our backbones give there.
        return tuple(feat.contiguous() for feat in super().extract_feat(batch_inputs))
