"""Python interface."""

from .gallery import Gallery
from .inferencer import PersonSearchInferencer
from .model import build_model
from .query import Query
from .search import Hit, Hits

__all__ = ["Gallery", "Hit", "Hits", "PersonSearchInferencer", "Query", "build_model"]
