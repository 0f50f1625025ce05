"""One side, queries or galleries, of a batch of pairs of images."""

from dataclasses import dataclass

from mmengine.structures import BaseDataElement
from torch import Tensor

from mmpersonsearch.utils.errors import InputError


@dataclass
class PairImages:
    """Queries' or galleries' images of P pairs, for a detector whose results depend on the query.

    Attributes:
        maps: (P, C, h, w) that the detector's ``extract_shared`` computed of the images, or (1, C, h, w) of one image
            that all pairs share.
        data_samples: One per map, or one that all maps share, with ``img_shape`` and ``scale_factor``. Those of queries
            have one box each in ``query_instances.bboxes``, (1, 4) xyxy in pixels of the original image.

    Raises:
        InputError: Another number of data samples.
    """

    maps: Tensor
    data_samples: list[BaseDataElement]

    def __post_init__(self) -> None:
        """Check the numbers."""
        if len(self.data_samples) not in (1, len(self.maps)):
            raise InputError(f"PairImages: {len(self.data_samples)} data samples of {len(self.maps)} maps")
