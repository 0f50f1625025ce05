"""Frozen teachers: Re-ID models and detectors."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from mmdet.structures import DetDataSample
from mmengine.logging import print_log
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.checkpoint import load_checkpoint_file, load_strictly
from mmpersonsearch.utils.errors import InputError

_SIZE = 32


class FrozenTeacher:
    """Model that stays frozen, in eval mode, and out of the ``state_dict`` of its :class:`TeacherOwner`.

    It is a plain object, since an ``nn.Module`` would be among the student's children.

    Args:
        model: Config of the model.
        checkpoint: File or URL of its weights.
    """

    def __init__(self, model: dict, checkpoint: str) -> None:
        self.model = MODELS.build(model).eval().requires_grad_(False)
        self.checkpoint = checkpoint
        self.loaded = False

    def load(self) -> None:
        """Load all weights from the checkpoint, strictly.

        Raises:
            FileNotFoundError: The file is missing.
            InputError: Keys are missing, unexpected or of another shape; the message names them.
        """
        try:
            checkpoint = load_checkpoint_file(self.checkpoint)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"teacher: {error}; train it first, or set teacher.checkpoint") from None
        try:
            load_strictly(self.model, checkpoint, self.checkpoint)
        except InputError as error:
            raise InputError(f"teacher: {error}") from error
        self.loaded = True
        print_log(f"Teacher loaded from {self.checkpoint}", logger="current")

    def check_loaded(self) -> None:
        """Raise RuntimeError if the checkpoint was not loaded."""
        if not self.loaded:
            raise RuntimeError(
                f"the teacher ({type(self.model).__name__}) is not loaded from {self.checkpoint}: "
                "default_hooks needs frozen_parts=dict(type='FrozenPartsHook')"
            )


class TeacherOwner(nn.Module):
    """Mixin of modules with a ``teacher``, which follows them between devices and dtypes."""

    teacher: FrozenTeacher | None

    def load_frozen(self, student: nn.Module, metainfo: Mapping[str, Any], resumed: bool) -> None:
        """Load the teacher of ``student``, the whole model; a resumed training needs it too.

        Raises:
            FileNotFoundError: The checkpoint is missing.
            InputError: The checkpoint does not fit the teacher; teacher and student normalize images differently.
        """
        if self.teacher is not None:
            check_same_pixels(student=student.data_preprocessor, teacher=self.teacher.model.data_preprocessor)
            self.teacher.load()

    def _apply(self, fn: Callable, *args: Any, **kwargs: Any) -> "TeacherOwner":
        if self.teacher is not None:
            self.teacher.model._apply(fn)
        return super()._apply(fn, *args, **kwargs)


def check_same_pixels(**data_preprocessors: nn.Module) -> None:
    """Compare two data preprocessors, by their models' names, on a random image.

    Raises:
        InputError: They normalize images differently, or order their channels differently.
    """
    image = torch.randint(256, (3, _SIZE, _SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    seen = {}
    for name, preprocessor in data_preprocessors.items():
        inputs = preprocessor(dict(inputs=[image], data_samples=[DetDataSample()]))["inputs"]
        seen[name] = inputs[0, :, :_SIZE, :_SIZE].cpu()
    (first, ours), (second, theirs) = seen.items()
    if not torch.allclose(ours, theirs, atol=1e-4):
        raise InputError(
            f"{first}.data_preprocessor and {second}.data_preprocessor must normalize images alike (mean, std, order "
            f"of channels), but the pixel {image[:, 0, 0].tolist()} becomes {ours[:, 0, 0].tolist()} in {first} and "
            f"{theirs[:, 0, 0].tolist()} in {second}"
        )


class ReIDTeacher(FrozenTeacher):
    """A Re-ID model whose mode ``'tensor'`` gives (N, D) embeddings, where D is its head's ``out_channels``."""

    @property
    def feat_channels(self) -> int:
        """D, the width of the embeddings."""
        return self.model.head.out_channels

    @torch.no_grad()
    def __call__(self, crops: Tensor) -> Tensor:
        """Embed (K, 3, H, W) normalized crops: (K, D), L2-normalized (f_t of TDN's equation 2); K may be 0.

        Raises:
            RuntimeError: No checkpoint was loaded.
        """
        if len(crops) == 0:
            return crops.new_zeros(0, self.feat_channels)
        self.check_loaded()
        return F.normalize(self.model(crops, mode="tensor").float())


class DetectorTeacher(FrozenTeacher):
    """A two-stage detector of persons, stage by stage; no gradient leaves it."""

    @torch.no_grad()
    def extract_feat(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the float32 maps of (B, 3, H, W) normalized images.

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
