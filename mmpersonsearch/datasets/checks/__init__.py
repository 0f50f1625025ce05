"""Checks of a data set that need no training: annotations, queries and image files."""

from .annotations import Split, check_boxes, check_identities, check_queries, read_splits
from .images import ImageState, check_images, read_images

__all__ = [
    "ImageState",
    "Split",
    "check_boxes",
    "check_identities",
    "check_images",
    "check_queries",
    "read_images",
    "read_splits",
]
