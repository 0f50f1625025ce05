"""Person search by a detector and a Re-ID model that know nothing of each other."""

from typing import NoReturn

import torch
import torch.nn.functional as F
from mmdet.models.detectors import BaseDetector
from mmdet.structures import SampleList
from mmdet.structures.bbox import bbox2roi
from torch import Tensor

from mmpersonsearch.models.roi_heads import PersonSearchRoIHead
from mmpersonsearch.models.teachers import check_same_pixels
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.checkpoint import load_checkpoint_file, load_strictly


@MODELS.register_module()
class TwoStepPersonSearch(BaseDetector):
    """Two-step baseline (TDN's table V): a detector, then a Re-ID model on crops of its detections.

    Both are trained by their own configs, ``tools/model_converters/join_two_step.py`` puts their weights into one
    checkpoint; this model is for testing only. The Re-ID model sees what it sees as TDN's teacher: fixed-size crops of
    the normalised image. Detections of another class than 0, the data set's one class, are left out.

    Args:
        detector: Config of a detector, one of MMDetection's or :class:`PersonDetector`; its ``data_preprocessor`` is
            this model's.
        reid: Config of a Re-ID model whose mode ``'tensor'`` gives (N, D) embeddings, such as a TDN teacher's.
        crop_extractor: Config of the RoI extractor that cuts crops of fixed size from the normalised images.

    Raises:
        ValueError: The detector has no data preprocessor; detector and Re-ID model normalise images differently.
    """

    # The crops are those of TDN's teacher.
    crop = PersonSearchRoIHead.crop

    def __init__(self, detector: dict, reid: dict, crop_extractor: dict) -> None:
        if "data_preprocessor" not in detector:
            raise ValueError("TwoStepPersonSearch: detector has no data_preprocessor, which is to be this model's")
        super().__init__(data_preprocessor=detector["data_preprocessor"])
        self.detector = MODELS.build(detector)
        self.reid = MODELS.build(reid)
        self.crop_extractor = MODELS.build(crop_extractor)
        check_same_pixels(detector=self.data_preprocessor, reid=self.reid.data_preprocessor)

    def load_parts(self, detector: str, reid: str) -> None:
        """Load the checkpoints of the two models' own trainings; each must fill its part exactly.

        Args:
            detector: File or URL.
            reid: File or URL.

        Raises:
            FileNotFoundError: A checkpoint is missing.
            InputError: Keys of a checkpoint are missing, unexpected or of another shape; the message names them.
        """
        load_strictly(self.detector, load_checkpoint_file(detector), detector)
        load_strictly(self.reid, load_checkpoint_file(reid), reid)

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> NoReturn:
        """Refuse: nothing is trained here.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(
            "TwoStepPersonSearch is for testing only: train the detector by its own config "
            "(configs/two_step/faster-rcnn_*.py) and the Re-ID model by its own (configs/reid/), then join the two "
            "checkpoints with tools/model_converters/join_two_step.py"
        )

    def predict(self, batch_inputs: Tensor, batch_data_samples: SampleList, rescale: bool = True) -> SampleList:
        """Detect persons, then embed them and the queries.

        Args:
            batch_inputs: (B, 3, H, W) normalised images.
            batch_data_samples: One an image.
            rescale: Whether boxes go back to pixels of the original image.

        Returns:
            The data samples, as those of :meth:`PersonSearchDetector.predict`.
        """
        samples = self.detector.predict(batch_inputs, batch_data_samples, rescale=False)
        detections = [sample.pred_instances for sample in samples]
        detections = [found[found.labels == 0] for found in detections]
        queries = PersonSearchRoIHead.query_boxes(samples, batch_inputs)
        boxes = [torch.cat((found.bboxes, query)) for found, query in zip(detections, queries)]
        reid_feats = self.embed(batch_inputs, bbox2roi(boxes)).split([len(one) for one in boxes])
        results = PersonSearchRoIHead.pack_results(detections, reid_feats, samples, rescale)
        return self.add_pred_to_datasample(samples, results)

    def embed(self, images: Tensor, rois: Tensor) -> Tensor:
        """Embed persons.

        Args:
            images: (B, 3, H, W) normalised images.
            rois: (K, 5) image number and xyxy box in pixels of ``images``; K may be 0.

        Returns:
            (K, D) float32, L2-normalised.
        """
        crops = self.crop(images, rois)
        # Networks refuse an empty batch: an empty crop tells the width of the embedding.
        batch = crops if len(crops) else crops.new_zeros(1, *crops.shape[1:])
        return F.normalize(self.reid(batch, mode="tensor").float())[: len(crops)]

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute the detector's maps."""
        return self.detector.extract_feat(batch_inputs)

    def _forward(self, batch_inputs: Tensor, batch_data_samples: SampleList | None = None) -> tuple:
        return self.detector(batch_inputs, batch_data_samples, mode="tensor")
