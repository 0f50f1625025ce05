"""One side, queries or galleries, of a batch of pairs of images."""

from dataclasses import dataclass

from mmengine.structures import BaseDataElement
from torch import Tensor


@dataclass
class PairImages:
    """Queries' or galleries' images of P pairs, for a detector whose results depend on the query.

    Attributes:
        maps: (P, C, h, w) that the detector's ``extract_shared`` computed of the images, or (1, C, h, w) of one image
            that all pairs share.
        data_samples: P (or 1) data samples with ``img_shape`` and ``scale_factor``. Those of queries have one box each
            in ``query_instances.bboxes``, (1, 4) xyxy in pixels of the original image.
    """

    maps: Tensor
    data_samples: list[BaseDataElement]
