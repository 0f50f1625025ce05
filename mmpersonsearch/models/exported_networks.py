"""Networks exported as ONNX, run by ``onnxruntime`` (extra ``onnx``): YOLOX as detector, any Re-ID model."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NoReturn

import torch
import torch.nn.functional as F
from mmcv.ops import batched_nms
from mmdet.structures import DetDataSample, SampleList
from mmdet.structures.bbox import scale_boxes
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.checkpoint import fetch_file
from mmpersonsearch.utils.errors import InputError


class ExportedNetwork(BaseModel):
    """Network of one image input and one output, without parameters of its own; base of the two below.

    Args:
        path: The ONNX file; None where :meth:`load_file` gets it later.
        data_preprocessor: Config of the data preprocessor.

    Attributes:
        digest: Fingerprint of the file.
        size: Height and width of the input; None where the export leaves them open.
    """

    digest, size = None, None

    def __init__(self, path: str | None, data_preprocessor: dict) -> None:
        super().__init__(data_preprocessor=data_preprocessor)
        if path is not None:
            self.load_file(path)

    def load_file(self, path: str) -> None:
        """Load the ONNX file, of a path or URL.

        Raises:
            FileNotFoundError: There is no such file.
            InputError: It cannot be downloaded; ``onnxruntime`` is missing; the file is no network with one
                (N, 3, h, w) input and one output.
        """
        self.path = fetch_file(path)
        self.session = _open_session(self.path)
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        if [len(one.shape) for one in inputs] != [4] or inputs[0].shape[1] != 3 or len(outputs) != 1:
            found = [f"{one.name} {one.shape}" for one in (*inputs, *outputs)]
            raise InputError(f"{path}: inputs and outputs are {found}, expected one (N, 3, h, w) and one output")
        self.input = inputs[0]
        self.digest = hashlib.sha256(Path(self.path).read_bytes()).hexdigest()  # under whatever name
        height, width = self.input.shape[2:]
        self.size = (height, width) if isinstance(height, int) and isinstance(width, int) else None

    def run(self, images: Tensor) -> Tensor:
        """Run the network on (N, 3, h, w) images, N > 0, as many at a time as it takes; returns float32 (N, ...)."""
        if self.digest is None:
            raise InputError(f"{type(self).__name__} has no path, expected that of an exported network (.onnx)")
        if self.size not in (None, tuple(images.shape[2:])):
            raise InputError(f"{self.path}: takes images of {self.size} (height, width), got {tuple(images.shape[2:])}")
        number = self.input.shape[0] if isinstance(self.input.shape[0], int) else len(images)
        dtype = torch.float16 if self.input.type == "tensor(float16)" else torch.float32
        outputs = []
        for part in images.detach().to("cpu", dtype).split(number):
            padded = F.pad(part, (0, 0, 0, 0, 0, 0, 0, number - len(part)))
            (output,) = self.session.run(None, {self.input.name: padded.contiguous().numpy()})
            outputs.append(torch.from_numpy(output)[: len(part)])
        return torch.cat(outputs).to(images.device, torch.float32)

    def loss(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise NotImplementedError."""
        raise NotImplementedError("an exported network cannot be trained")


def _open_session(path: str) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise InputError(f"{path} needs onnxruntime: pip install 'mmpersonsearch[onnx]'") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    try:
        return onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:  # onnxruntime's own types, which are not public
        raise InputError(f"{path} cannot be read as an ONNX network: {error}") from error


@MODELS.register_module()
class ExportedReID(ExportedNetwork):
    """Exported Re-ID model: (N, 3, h, w) crops to (N, D) embeddings.

    Args:
        path: The ONNX file; see :class:`ExportedNetwork`, also for the errors.
        mean: Mean of the channels, by default ImageNet's, of RGB.
        std: Standard deviation of the channels.
        to_rgb: Whether the network takes RGB.
    """

    def __init__(
        self,
        path: str | None = None,
        mean: tuple[float, ...] = (123.675, 116.28, 103.53),
        std: tuple[float, ...] = (58.395, 57.12, 57.375),
        to_rgb: bool = True,
    ) -> None:
        super().__init__(path, dict(type="mmdet.ReIDDataPreprocessor", mean=mean, std=std, to_rgb=to_rgb))

    def forward(self, inputs: Tensor, data_samples: list | None = None, mode: str = "tensor") -> Tensor:
        """Embed (N, 3, h, w) normalized crops: (N, D), not L2-normalized.

        Raises:
            InputError: The output has another form.
        """
        if mode != "tensor":
            return self.loss()
        feats = self.run(inputs)
        if feats.ndim != 2:
            raise InputError(f"{self.path}: the output has shape {tuple(feats.shape)}, expected (N, D) embeddings")
        return feats


@MODELS.register_module()
class ExportedYOLOX(ExportedNetwork):
    """Exported YOLOX (Ge et al., arXiv 2107.08430): its ``export_onnx.py``'s output (N, A, 5 + C).

    An anchor's row is center x, center y, width, height, objectness, C class scores. As exported by default, the first
    four are relative to the cell: x = (row + cell) * stride, width = exp(row) * stride.

    Args:
        path: The ONNX file; see :class:`ExportedNetwork`, also for the errors.
        score_thr: Least product of objectness and class score.
        iou_threshold: Of the non-maximum suppression in each class.
        decoded: Whether it was exported by ``--decode_in_inference``: boxes are in pixels already.
        strides: Of the maps, the first one first.
        data_preprocessor: By default that of YOLOX since version 0.1.1: BGR from 0 to 255, not normalized.
    """

    def __init__(
        self,
        path: str | None = None,
        score_thr: float = 0.25,
        iou_threshold: float = 0.65,
        decoded: bool = False,
        strides: tuple[int, ...] = (8, 16, 32),
        data_preprocessor: dict | None = None,
    ) -> None:
        default = dict(type="mmdet.DetDataPreprocessor", pad_size_divisor=max(strides), pad_value=114)
        super().__init__(path, data_preprocessor or default)
        self.score_thr = score_thr
        self.nms = dict(type="nms", iou_threshold=iou_threshold)
        self.decoded = decoded
        self.strides = strides

    def forward(self, inputs: Tensor, data_samples: SampleList | None = None, mode: str = "tensor") -> Any:
        """Run the network (``'tensor'``) or detect (``'predict'``)."""
        return self.predict(inputs, data_samples) if mode == "predict" else self.run(self._pad(inputs))

    def predict(self, batch_inputs: Tensor, batch_data_samples: SampleList, rescale: bool = True) -> SampleList:
        """Detect objects in (B, 3, H, W) images, at most of the input's size.

        Returns:
            The data samples with ``pred_instances``: ``bboxes`` (n, 4) xyxy in pixels of the original image (with
            ``rescale``) or of the input, ``scores`` (n,), ``labels`` (n,).
        """
        images = self._pad(batch_inputs)
        rows = self.run(images)
        if rows.ndim != 3 or rows.shape[2] < 6:
            raise InputError(f"{self.path}: the output has shape {tuple(rows.shape)}, expected YOLOX's (N, A, 5 + C)")
        rows = rows if self.decoded else self._decode(rows, *images.shape[2:])
        for sample, of_image in zip(batch_data_samples, rows):
            sample.pred_instances = self._detect(of_image, sample, rescale)
        return batch_data_samples

    def _pad(self, images: Tensor) -> Tensor:
        """Pad images on the right and below, as YOLOX does, to the size that the network takes."""
        if self.size is None:
            return images
        below, right = (most - side for most, side in zip(self.size, images.shape[2:]))
        if below < 0 or right < 0:
            raise InputError(f"{self.path}: takes images of {self.size} (height, width), got {tuple(images.shape[2:])}")
        return F.pad(images, (0, right, 0, below), value=114.0)

    def _decode(self, rows: Tensor, height: int, width: int) -> Tensor:
        cells, strides = [], []
        for stride in self.strides:
            ys, xs = torch.meshgrid(torch.arange(height // stride), torch.arange(width // stride), indexing="ij")
            cells.append(torch.stack((xs, ys), dim=-1).reshape(-1, 2))
            strides.append(torch.full((len(cells[-1]), 1), stride))
        cells, strides = torch.cat(cells).to(rows), torch.cat(strides).to(rows)
        if rows.shape[1] != len(cells):
            raise InputError(
                f"{self.path}: the output has {rows.shape[1]} anchors, expected {len(cells)} of strides "
                f"{self.strides} at {width} x {height}: set strides to those that it was exported with"
            )
        return torch.cat(((rows[..., :2] + cells) * strides, rows[..., 2:4].exp() * strides, rows[..., 4:]), dim=-1)

    def _detect(self, rows: Tensor, sample: DetDataSample, rescale: bool) -> InstanceData:
        scores, labels = rows[:, 5:].max(1)
        scores = scores * rows[:, 4]
        keep = scores >= self.score_thr
        centers, halves, scores, labels = rows[keep, :2], rows[keep, 2:4] / 2, scores[keep], labels[keep]
        bboxes = torch.cat((centers - halves, centers + halves), dim=1)
        if len(bboxes):  # MMCV's function takes no empty list
            dets, kept = batched_nms(bboxes, scores, labels, self.nms)
            bboxes, scores, labels = dets[:, :4], dets[:, 4], labels[kept]
        height, width = sample.img_shape[:2]
        bboxes = bboxes.clamp(min=0).minimum(bboxes.new_tensor([width, height, width, height]))
        if rescale:
            bboxes = scale_boxes(bboxes, [1 / s for s in sample.scale_factor])
        return InstanceData(bboxes=bboxes, scores=scores, labels=labels)
