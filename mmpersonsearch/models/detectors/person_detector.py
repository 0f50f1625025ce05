"""A detector of persons alone."""

from mmdet.models.detectors import TwoStageDetector
from mmdet.structures import SampleList
from mmdet.utils import InstanceList
from torch import Tensor

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.distributed import share_of_samples
from mmpersonsearch.utils.precision import float32


@MODELS.register_module()
class PersonDetector(TwoStageDetector):
    """MMDetection's two-stage detector, such as Faster R-CNN, on one of our backbones.

    It differs from MMDetection's only in that, under autocast, RPN and box head stay in float32. It is the first step
    of :class:`TwoStepPersonSearch`.
    """

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute the maps of backbone and neck, float32 also under autocast.

        Args:
            batch_inputs: (B, 3, H, W) normalised images.
        """
        return tuple(feat.float() for feat in super().extract_feat(batch_inputs))

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor | list[Tensor]]:
        """Compute the losses of RPN and box head.

        Args:
            batch_inputs: (B, 3, H, W) normalised images.
            batch_data_samples: One an image, with ``gt_instances``.
        """
        x = self.extract_feat(batch_inputs)
        losses, proposals = self.loss_rpn(x, batch_data_samples)
        with float32():
            losses.update(self.roi_head.loss(x, proposals, batch_data_samples))
        return losses

    @float32()
    def loss_rpn(
        self, x: tuple[Tensor, ...], batch_data_samples: SampleList
    ) -> tuple[dict[str, list[Tensor]], InstanceList]:
        """Compute the RPN's losses, in float32 also under autocast, and its proposals in pixels of the input.

        MMDetection divides by the number of this rank's sampled anchors, to which an image without persons adds one.
        Where these differ, each rank's losses count by its share, as if all images were in one batch.

        Args:
            x: (B, C, H / s, W / s) maps, float32.
            batch_data_samples: One an image, with ``gt_instances``.
        """
        losses, proposals = self.rpn_head.loss_and_predict(
            x, batch_data_samples, proposal_cfg=self.train_cfg.rpn_proposal
        )
        sampled = self.rpn_head._raw_positive_infos["sampling_results"]
        share = share_of_samples(sum(one.avg_factor for one in sampled), x[0].device)
        return {name: [share * loss for loss in of_maps] for name, of_maps in losses.items()}, proposals
