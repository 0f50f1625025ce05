"""A detector as a frozen teacher."""

import torch
from torch import Tensor

from mmpersonsearch.models.teachers.frozen_teacher import FrozenTeacher


class DetectorTeacher(FrozenTeacher):
    """A two-stage detector of persons, stage by stage; no gradient leaves it."""

    @torch.no_grad()
    def extract_feat(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the maps of backbone and neck, float32 also under autocast.

        Args:
            images: (B, 3, H, W) normalized images.

        Raises:
            RuntimeError: No checkpoint was loaded.
        """
        self.check_loaded()
        return tuple(feat.float() for feat in self.model.extract_feat(images))

    @torch.no_grad()
    def predict_anchors(self, x: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Run the RPN on the teacher's own map: (B, A, H, W) logits and (B, 4 A, H, W) deltas."""
        (scores,), (deltas,) = self.model.rpn_head(x)
        return scores, deltas

    @torch.no_grad()
    def predict_rois(self, x: tuple[Tensor, ...], rois: Tensor) -> tuple[Tensor, Tensor]:
        """Run the box head on the teacher's own map: (n, 2) logits and (n, 4) deltas of (n, 5) RoIs."""
        boxes = self.model.roi_head._bbox_forward(x, rois)
        return boxes["cls_score"], boxes["bbox_pred"]
