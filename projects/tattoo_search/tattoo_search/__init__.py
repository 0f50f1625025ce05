"""Search without detection, which the paper compares with search by the model's own boxes."""

from .whole_image import WholeImageSearch, WholeImageSearchDataset

__all__ = ["WholeImageSearch", "WholeImageSearchDataset"]
