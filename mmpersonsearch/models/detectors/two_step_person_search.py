"""Person search by a separate detector and Re-ID model."""

from typing import NoReturn

import torch.nn.functional as F
from mmdet.models.detectors import BaseDetector
from mmdet.structures import SampleList
from mmdet.structures.bbox import bbox2roi
from mmdet.utils import InstanceList
from torch import Tensor

from mmpersonsearch.models.teachers import check_same_pixels
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.checkpoint import load_checkpoint_file, load_strictly
from mmpersonsearch.utils.errors import InputError

from .person_search_detector import PersonSearchModel


@MODELS.register_module()
class TwoStepPersonSearch(PersonSearchModel, BaseDetector):
    """Two-step baseline (TDN's table V): a detector, then a Re-ID model on crops of its detections.

    It is for testing only: both are trained by their own configs, and ``tools/model_converters/join_two_step.py`` joins
    their checkpoints. The Re-ID model sees fixed-size crops of the normalized image. Detections of another class than
    0 are dropped.

    Args:
        detector: Config of any detector of MMDetection's; its ``data_preprocessor`` is this model's.
        reid: Config of a Re-ID model whose mode ``'tensor'`` gives (N, D) embeddings.
        crop_extractor: Config of the RoI extractor that cuts crops from the normalized images.

    Raises:
        InputError: The detector has no data preprocessor; detector and Re-ID model normalize images differently.
    """

    def __init__(self, detector: dict, reid: dict, crop_extractor: dict) -> None:
        if "data_preprocessor" not in detector:
            raise InputError("TwoStepPersonSearch: detector has no data_preprocessor, which is to be this model's")
        super().__init__(data_preprocessor=detector["data_preprocessor"])
        self.detector = MODELS.build(detector)
        self.reid = MODELS.build(reid)
        self.crop_extractor = MODELS.build(crop_extractor)
        check_same_pixels(detector=self.data_preprocessor, reid=self.reid.data_preprocessor)

    def load_parts(self, detector: str, reid: str) -> None:
        """Load the two models' own checkpoints (files or URLs) by :func:`load_strictly`."""
        load_strictly(self.detector, load_checkpoint_file(detector), detector)
        load_strictly(self.reid, load_checkpoint_file(reid), reid)

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> NoReturn:
        """Raise NotImplementedError."""
        raise NotImplementedError(
            "TwoStepPersonSearch is for testing only: train the detector by its own config "
            "(configs/two_step/faster-rcnn_*.py) and the Re-ID model by its own (configs/reid/), then join the two "
            "checkpoints with tools/model_converters/join_two_step.py"
        )

    def detect(self, batch_inputs: Tensor, batch_data_samples: SampleList, x: tuple[()] = ()) -> InstanceList:
        """See :meth:`PersonSearchModel.detect`; there is no ``x``."""
        samples = self.detector.predict(batch_inputs, [sample.new() for sample in batch_data_samples], rescale=False)
        return [sample.pred_instances[sample.pred_instances.labels == 0] for sample in samples]

    def embed(self, batch_inputs: Tensor, boxes: list[Tensor], x: tuple[()] = ()) -> list[Tensor]:
        """See :meth:`PersonSearchModel.embed`; there is no ``x``."""
        crops = self.crop_extractor((batch_inputs,), bbox2roi(boxes))
        # Networks refuse an empty batch: one empty crop gives the width of the embedding.
        batch = crops if len(crops) else crops.new_zeros(1, *crops.shape[1:])
        feats = F.normalize(self.reid(batch, mode="tensor").float())[: len(crops)]
        return feats.split([len(one) for one in boxes])

    def extract_feat(self, batch_inputs: Tensor) -> tuple[()]:
        """Return nothing: detector and Re-ID model share no maps."""
        return ()

    def _forward(self, batch_inputs: Tensor, batch_data_samples: SampleList | None = None) -> tuple:
        return self.detector(batch_inputs, batch_data_samples, mode="tensor")
