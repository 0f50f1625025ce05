"""A trained body stream as the teacher of a person search model, such as TDN."""

from __future__ import annotations

from mmdet.structures import ReIDDataSample
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS

from .two_stream_reid import TwoStreamReID


@MODELS.register_module()
class BodyTeacher(TwoStreamReID):
    """A :class:`TwoStreamReID` of a body stream that embeds (N, 3, H, W) crops, not a dict of streams.

    It loads the checkpoints of ``TwoStreamReID(body=...)``.

    Args:
        body: Config of the body stream.
        data_preprocessor: Config of a :class:`StreamsDataPreprocessor`.
    """

    def __init__(self, body: dict, data_preprocessor: dict | None = None) -> None:
        super().__init__(body=body, data_preprocessor=data_preprocessor)

    @property
    def head(self) -> nn.Module:
        """The stream's head, whose ``out_channels`` is the width of the embeddings."""
        return self.body.head

    def forward(
        self, inputs: Tensor, data_samples: list[ReIDDataSample] | None = None, mode: str = "tensor"
    ) -> Tensor | list[ReIDDataSample] | dict[str, Tensor]:
        """See :meth:`TwoStreamReID.forward`; ``inputs`` are the crops."""
        return super().forward(dict(body=inputs), data_samples, mode)
