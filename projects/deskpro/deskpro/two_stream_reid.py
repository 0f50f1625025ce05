"""Re-ID by body and face: the two streams of DeSKPro."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmdet.models.data_preprocessors import ReIDDataPreprocessor
from mmdet.structures import ReIDDataSample
from mmengine.model import BaseModel
from torch import Tensor, nn

from mmpersonsearch.models.reid import LightMBN
from mmpersonsearch.models.teachers import FrozenTeacher, TeacherOwner
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.errors import InputError


@MODELS.register_module()
class StreamsDataPreprocessor(ReIDDataPreprocessor):
    """MMDetection's ``ReIDDataPreprocessor``, of each stream's images."""

    def forward(self, data: dict, training: bool = False) -> dict:
        """Normalize and stack images.

        Args:
            data: ``inputs``, lists of (3, H, W) images by stream, or one list of them, and ``data_samples``.
            training: Whether training asks.

        Returns:
            ``inputs``, (N, 3, H, W) by stream, or one tensor, and ``data_samples``.
        """
        if not isinstance(data["inputs"], dict):
            return super().forward(data, training)
        streams = {
            name: super(StreamsDataPreprocessor, self).forward({**data, "inputs": images}, training)["inputs"]
            for name, images in data["inputs"].items()
        }
        return dict(data, inputs=streams)


def facial_knowledge_propagation(student: list[Tensor], teacher: list[Tensor], temperature: float) -> Tensor:
    r"""L_fkp of DeSKPro (equation 5): :math:`T^2 \sum_i KL(softmax(t_i / T) \| softmax(s_i / T))`, mean over the batch.

    Args:
        student: (N, num_ids) scores of each embedding.
        teacher: The teacher's; no gradient flows to them.
        temperature: T.

    Returns:
        Scalar.
    """
    divergences = [
        F.kl_div(
            (ours / temperature).log_softmax(dim=1), (theirs.detach() / temperature).softmax(dim=1), reduction="sum"
        )
        for ours, theirs in zip(student, teacher, strict=True)
    ]
    return temperature**2 * sum(divergences) / len(student[0])


@MODELS.register_module()
class FacialKnowledgePropagationLoss(nn.Module):
    """:func:`facial_knowledge_propagation` at a temperature, T."""

    def __init__(self, temperature: float = 5.0) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
        """See :func:`facial_knowledge_propagation`."""
        return facial_knowledge_propagation(student, teacher, self.temperature)


def score(stream: LightMBN, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Compute a stream's features before the BNNecks, (N, feat_channels), and scores, (N, num_ids), of images."""
    feats = stream.head.reduce(stream.extract_feat(images))
    return feats, stream.head.classify(feats)


class FaceTeacher(FrozenTeacher):
    """A :class:`TwoStreamReID` whose face stream teaches, on restored faces."""

    @torch.no_grad()
    def __call__(self, faces: Tensor) -> list[Tensor]:
        """Score (N, 3, h, w) normalized restored faces: (N, num_ids) for each embedding.

        Raises:
            RuntimeError: No checkpoint was loaded.
        """
        self.check_loaded()
        return score(self.model.face, faces)[1]


@MODELS.register_module()
class TwoStreamReID(TeacherOwner, BaseModel):
    r"""DeSKPro: Re-ID by a body stream, a face stream, or both.

    Training minimizes equation 7, :math:`\lambda L_{att} + L_{trip} + (\alpha L_{fkp} + (1 - \alpha) L_{ce}^s) +
    L_{ce}^g`; :math:`\lambda` is the ``loss_weight`` of the body stream's ``loss_attention``. Without a teacher the
    face stream's cross entropy has weight 1. The streams share no weights.

    The embedding is all parts of both streams, each of length 1, so that the dot product is the sum of the parts'
    cosines. A person without a face (``has_face`` of the data sample) has zeros there: these count nothing, as the body
    stream alone.

    Args:
        body: Config of the stream that reads ``inputs['body']``, a
            :class:`mmpersonsearch.models.reid.LightMBN`; None for none.
        face: Config of the stream that reads ``inputs[face_input]``; None for none.
        face_input: ``'face'``, or ``'restored_face'`` for the teacher and DeSKPro*.
        teacher: Config of the face stream's frozen teacher, dict(model=..., checkpoint=...): the model is a
            :class:`TwoStreamReID` whose face stream reads restored faces. Training only.
        loss_distill: Config of L_fkp, a loss between the lists of scores of student and teacher.
        alpha: Weight of L_fkp; the student's cross entropy has the other part of 1.
        data_preprocessor: Config of a :class:`StreamsDataPreprocessor`.
        init_cfg: See MMEngine.

    Raises:
        InputError: There is no stream; only some of teacher, ``loss_distill`` and student are given; the teacher has
            no face stream.
    """

    def __init__(
        self,
        body: dict | None = None,
        face: dict | None = None,
        face_input: str = "face",
        teacher: dict | None = None,
        loss_distill: dict | None = None,
        alpha: float = 0.7,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        if body is None and face is None:
            raise InputError("TwoStreamReID: body and face are None, expected at least one stream")
        if (teacher is None) != (loss_distill is None) or (teacher is not None and face is None):
            raise InputError("TwoStreamReID: teacher, loss_distill and face belong together, not all of them are given")
        self.body, self.face = _build_stream(body), _build_stream(face)
        self.face_input = face_input
        self.alpha = alpha
        self.loss_distill = MODELS.build(loss_distill) if loss_distill else None
        self.teacher = FaceTeacher(**teacher) if teacher else None
        if self.teacher is not None and getattr(self.teacher.model, "face", None) is None:
            raise InputError("TwoStreamReID: teacher.model has no face stream")

    @property
    def streams(self) -> dict[str, LightMBN]:
        """The streams by the name of their input, the body first."""
        both = {"body": self.body, self.face_input: self.face}
        return {name: stream for name, stream in both.items() if stream is not None}

    def forward(
        self, inputs: dict[str, Tensor], data_samples: list[ReIDDataSample] | None = None, mode: str = "tensor"
    ) -> Tensor | list[ReIDDataSample] | dict[str, Tensor]:
        """Embed persons, or compute the losses.

        Args:
            inputs: (N, 3, H, W) normalized images of each stream, by its name.
            data_samples: Data samples of the persons; without them all have a face.
            mode: ``'tensor'`` gives (N, D) embeddings, ``'predict'`` puts them into ``pred_feature`` of the data
                samples, ``'loss'`` gives the losses.

        Raises:
            InputError: An input is missing.
        """
        needed = [*self.streams, *(["restored_face"] if mode == "loss" and self.teacher is not None else [])]
        for name in needed:
            if name not in inputs:
                raise InputError(f"TwoStreamReID: no images of {name}, add it to the data set's streams")
        if mode == "loss":
            return self.loss(inputs, data_samples)
        feats = self.embed(inputs, data_samples).flatten(1)
        if mode == "tensor":
            return feats
        for sample, feat in zip(data_samples, feats, strict=True):
            sample.pred_feature = feat
        return data_samples

    def embed(self, inputs: dict[str, Tensor], data_samples: list[ReIDDataSample] | None = None) -> Tensor:
        """Embed persons: (N, 7 for each stream, feat_channels), each part of length 1 or, without a face, 0."""
        parts = {name: stream.embed(inputs[name]) for name, stream in self.streams.items()}
        if self.face is not None and data_samples is not None:
            faces = parts[self.face_input]
            parts[self.face_input] = faces * faces.new_tensor([s.has_face for s in data_samples])[:, None, None]
        return torch.cat(list(parts.values()), dim=1)

    def loss(self, inputs: dict[str, Tensor], data_samples: list[ReIDDataSample]) -> dict[str, Tensor]:
        """Compute each stream's losses, ``body.*`` and ``face.*``: equation 7 is their sum."""
        losses = {}
        if self.body is not None:
            found = self.body.loss(inputs["body"], data_samples)
            losses.update({f"body.{key}": value for key, value in found.items()})
        if self.face is not None:
            found = self._face_loss(inputs, data_samples)
            losses.update({f"face.{key}": value for key, value in found.items()})
        return losses

    def _face_loss(self, inputs: dict[str, Tensor], data_samples: list[ReIDDataSample]) -> dict[str, Tensor]:
        feats, scores = score(self.face, inputs[self.face_input])
        losses = self.face.head.loss_by_feat(feats, scores, data_samples)
        if self.teacher is not None:
            losses["loss_id"] = (1 - self.alpha) * losses["loss_id"]
            losses["loss_fkp"] = self.alpha * self.loss_distill(scores, self.teacher(inputs["restored_face"]))
        return losses


def _build_stream(config: dict | None) -> Any:
    """Build a stream; the whole model preprocesses its images."""
    return config and MODELS.build(dict(config, data_preprocessor=dict(type="mmdet.ReIDDataPreprocessor")))
