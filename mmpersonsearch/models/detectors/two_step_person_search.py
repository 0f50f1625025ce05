"""Person search by a separate detector and Re-ID model."""

from typing import NoReturn
from urllib.parse import urlparse

import torch
import torch.nn.functional as F
from mmcv.ops import nms
from mmdet.models.detectors import BaseDetector
from mmdet.structures import DetDataSample, ReIDDataSample, SampleList
from mmdet.structures.bbox import bbox2roi, bbox_overlaps
from mmdet.utils import InstanceList
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.models.exported_networks import ExportedNetwork
from mmpersonsearch.models.teachers.convert import load_reid
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.checkpoint import load_checkpoint_file, load_strictly
from mmpersonsearch.utils.errors import InputError

from .person_search_detector import PersonSearchModel

Place = tuple[int, int, int, int]  # of a tile in its picture, xyxy in pixels
_AT_EDGE = 2.0  # pixels


@MODELS.register_module()
class TwoStepPersonSearch(PersonSearchModel, BaseDetector):
    """Two-step baseline (TDN's table V): a detector, then a Re-ID model on crops of its detections.

    It is for testing only: both are trained by their own configs, and ``tools/model_converters/join_two_step.py`` joins
    their checkpoints. Its input is the picture as the pipeline leaves it, BGR from 0 to 255, the original one without
    a ``Resize``: the detector sees it at ``scale`` and by its own ``data_preprocessor``, the Re-ID model fixed-size
    crops of it by its own. Detections of another class than 0 are dropped.

    Args:
        detector: Config of any detector of MMDetection's, or of an ``ExportedYOLOX``.
        reid: Config of a Re-ID model whose mode ``'tensor'`` gives (N, D) embeddings, such as an ``ExportedReID``.
        crop_extractor: Config of the RoI extractor that cuts crops from the pictures.
        scale: Long and short side that the detector's input fits in, its aspect kept, as ``mmdet.Resize`` has it; None
            is the size that an exported detector takes, else the picture's.
        tiles: Columns and rows of tiles that the detector sees one by one, for persons who are small in the picture.
        overlap: Fraction of a tile that it shares with the next, in [0, 1).
        merge_iou: Of the non-maximum suppression that merges the tiles' detections.

    Raises:
        InputError: A part has no data preprocessor; a wrong number of tiles or overlap.
    """

    def __init__(
        self,
        detector: dict,
        reid: dict,
        crop_extractor: dict,
        scale: tuple[int, int] | None = None,
        tiles: tuple[int, int] = (1, 1),
        overlap: float = 0.3,
        merge_iou: float = 0.6,
    ) -> None:
        super().__init__(data_preprocessor=dict(type="mmdet.DetDataPreprocessor"))  # stacks, and does not normalize
        if min(tiles) < 1 or not 0 <= overlap < 1:
            raise InputError(
                f"TwoStepPersonSearch: tiles {tiles} with overlap {overlap}, expected (columns, rows) of 1 or more and "
                "an overlap in [0, 1)"
            )
        for name, part in (("detector", detector), ("reid", reid)):
            if "data_preprocessor" not in part and not issubclass(MODELS.get(part["type"]), ExportedNetwork):
                raise InputError(f"TwoStepPersonSearch: {name} has no data_preprocessor, expected its own")
        self.detector = MODELS.build(detector)
        self.reid = MODELS.build(reid)
        self.crop_extractor = MODELS.build(crop_extractor)
        self.scale, self.tiles, self.overlap, self.merge_iou = scale, tiles, overlap, merge_iou

    def load_parts(self, detector: str, reid: str) -> None:
        """Load the two models' own weights, files or URLs: checkpoints, or ``.onnx`` files of exported networks.

        The Re-ID model's may also be a published checkpoint of fast-reid; see :func:`load_reid`.

        Raises:
            FileNotFoundError: There is no such file.
            InputError: A file is of the wrong kind, or does not fit its model.
        """
        for part, path in ((self.detector, detector), (self.reid, reid)):
            exported = isinstance(part, ExportedNetwork)
            if exported != urlparse(path).path.endswith(".onnx"):
                expected = "an exported network (.onnx)" if exported else "a checkpoint (.pth)"
                raise InputError(f"{path}: expected {expected}, which {type(part).__name__} needs")
        if isinstance(self.detector, ExportedNetwork):
            self.detector.load_file(detector)
        else:
            load_strictly(self.detector, load_checkpoint_file(detector), detector)
        if isinstance(self.reid, ExportedNetwork):
            self.reid.load_file(reid)
        else:
            load_reid(self.reid, reid)

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> NoReturn:
        """Raise NotImplementedError."""
        raise NotImplementedError(
            "TwoStepPersonSearch is for testing only: train the detector by its own config "
            "(configs/two_step/faster-rcnn_*.py) and the Re-ID model by its own (configs/reid/), then join the two "
            "checkpoints with tools/model_converters/join_two_step.py"
        )

    def detect(self, batch_inputs: Tensor, batch_data_samples: SampleList, x: tuple[()] = ()) -> InstanceList:
        """See :meth:`PersonSearchModel.detect`; there is no ``x``."""
        views, samples, places = [], [], []
        for image, sample in zip(batch_inputs, batch_data_samples):
            height, width = sample.img_shape[:2]
            for left, top, right, bottom in tile_boxes(width, height, self.tiles, self.overlap):
                view = self._resize(image[:, top:bottom, left:right])
                shapes = dict(ori_shape=(bottom - top, right - left), img_shape=tuple(view.shape[1:]))
                factor = tuple(new / old for new, old in zip(shapes["img_shape"][::-1], shapes["ori_shape"][::-1]))
                views.append(view)
                samples.append(DetDataSample(metainfo=dict(**shapes, scale_factor=factor)))
                places.append((left, top, right, bottom))
        data = self.detector.data_preprocessor(dict(inputs=views, data_samples=samples))
        found = [sample.pred_instances for sample in self.detector.predict(data["inputs"], data["data_samples"])]
        number = self.tiles[0] * self.tiles[1]
        return [
            self._merge(found[i : i + number], places[i : i + number], sample.img_shape)
            for i, sample in zip(range(0, len(found), number), batch_data_samples)
        ]

    def _resize(self, view: Tensor) -> Tensor:
        """Resize a (3, h, w) view, its aspect kept, to fit in ``scale`` or in the detector's own size."""
        height, width = view.shape[1:]
        size = getattr(self.detector, "size", None)  # of an exported network
        if self.scale is not None:
            factor = min(max(self.scale) / max(height, width), min(self.scale) / min(height, width))
        else:
            factor = 1.0 if size is None else min(size[0] / height, size[1] / width)
        new = [max(1, int(side * factor + 0.5)) for side in (height, width)]
        return view if factor == 1 else F.interpolate(view[None], new, mode="bilinear", align_corners=False)[0]

    def _merge(self, found: InstanceList, places: list[Place], img_shape: tuple[int, int]) -> InstanceData:
        """Join the persons whom the tiles of one picture show, in its pixels."""
        if self.tiles == (1, 1):
            return found[0][found[0].labels == 0]
        cut = torch.cat([_is_cut(one.bboxes, place, img_shape) for one, place in zip(found, places)])
        for one, place in zip(found, places):
            one.bboxes = one.bboxes + one.bboxes.new_tensor([*place[:2], *place[:2]])
        found = InstanceData.cat(found)
        keep = found.labels == 0
        if (~cut).any():  # the part of a person whom another tile shows whole gives way
            keep &= ~(cut & (bbox_overlaps(found.bboxes, found.bboxes[~cut], mode="iof") >= 0.5).any(1))
        found = found[keep]
        return found[nms(found.bboxes, found.scores, self.merge_iou)[1]]

    def embed(self, batch_inputs: Tensor, boxes: list[Tensor], x: tuple[()] = ()) -> list[Tensor]:
        """See :meth:`PersonSearchModel.embed`; there is no ``x``."""
        crops = self.crop_extractor((batch_inputs,), bbox2roi(boxes))
        # Networks refuse an empty batch: one empty crop gives the width of the embedding.
        batch = crops if len(crops) else crops.new_zeros(1, *crops.shape[1:])
        data = dict(inputs=batch, data_samples=[ReIDDataSample()])  # MMDetection's looks into the first
        inputs = self.reid.data_preprocessor(data)["inputs"]
        feats = F.normalize(self.reid(inputs, mode="tensor").float())[: len(crops)]
        return feats.split([len(one) for one in boxes])

    def extract_feat(self, batch_inputs: Tensor) -> tuple[()]:
        """Return nothing: detector and Re-ID model share no maps."""
        return ()

    def _forward(self, batch_inputs: Tensor, batch_data_samples: SampleList | None = None) -> tuple:
        return self.detector(batch_inputs, batch_data_samples, mode="tensor")


def tile_boxes(width: int, height: int, tiles: tuple[int, int], overlap: float) -> list[Place]:
    """Cut a picture into (columns, rows) tiles of one size that overlap, row after row; xyxy in whole pixels."""
    spans = []
    for length, number in ((width, tiles[0]), (height, tiles[1])):
        size = length / (number - (number - 1) * overlap)
        starts = [i * size * (1 - overlap) for i in range(number)]
        spans.append([(round(start), min(length, round(start + size))) for start in starts])
    return [(left, top, right, bottom) for top, bottom in spans[1] for left, right in spans[0]]


def _is_cut(bboxes: Tensor, place: Place, img_shape: tuple[int, int]) -> Tensor:
    """Tell which (n, 4) boxes, in a tile's pixels, end at an edge of it at which the picture goes on."""
    left, top, right, bottom = place
    inner = bboxes.new_tensor([left > 0, top > 0, right < img_shape[1], bottom < img_shape[0]]).bool()
    edges = bboxes.new_tensor([0, 0, right - left, bottom - top])
    return (((bboxes - edges).abs() <= _AT_EDGE) & inner).any(1)
