"""The detector that person search is built on."""

import torch
from mmdet.structures import SampleList
from torch import Tensor

from mmpersonsearch.registry import MODELS

from .person_detector import PersonDetector


@MODELS.register_module()
class PersonSearchDetector(PersonDetector):
    """Person detector whose RoI head also embeds persons.

    It hands the normalised images on to the RoI head, whose teacher and bridge crop persons from them, and has the
    queries of a test image embedded in the same pass. Under autocast, RPN and box head stay in float32.

    The data samples of training carry ``gt_instances`` with ``labels`` 0 and ``person_ids``; those of testing may
    carry ``query_instances`` with ``bboxes`` in pixels of the original image.
    """

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor | list[Tensor]]:
        """Compute the losses of RPN, box head and Re-ID.

        Args:
            batch_inputs: (B, 3, H, W) normalised images.
            batch_data_samples: One an image, with ``gt_instances``.
        """
        x = self.extract_feat(batch_inputs)
        losses, proposals = self.loss_rpn(x, batch_data_samples)
        losses.update(self.roi_head.loss(x, proposals, batch_data_samples, batch_inputs))
        return losses

    def predict(self, batch_inputs: Tensor, batch_data_samples: SampleList, rescale: bool = True) -> SampleList:
        """Detect and embed persons, and embed the queries.

        Args:
            batch_inputs: (B, 3, H, W) normalised images.
            batch_data_samples: One an image.
            rescale: Whether boxes go back to pixels of the original image.

        Returns:
            The data samples with ``pred_instances`` (``bboxes`` (n, 4), ``scores`` (n,), ``labels`` (n,),
            ``reid_feats`` (n, D)) and, where an image has queries, ``query_instances.reid_feats`` (Q, D); the
            features are float32 and L2-normalised.
        """
        x = self.extract_feat(batch_inputs)
        with torch.autocast(batch_inputs.device.type, enabled=False):
            proposals = self.rpn_head.predict(x, batch_data_samples, rescale=False)
        results = self.roi_head.predict(x, proposals, batch_data_samples, batch_inputs, rescale)
        return self.add_pred_to_datasample(batch_data_samples, results)
