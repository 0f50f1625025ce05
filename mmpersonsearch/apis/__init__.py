"""Python interface."""

from .gallery import Gallery
from .inferencer import PersonSearchInferencer
from .model import build_model
from .query import Query
from .search import Hit, Hits
from .timeline import Timeline

__all__ = ["Gallery", "Hit", "Hits", "PersonSearchInferencer", "Query", "Timeline", "build_model"]
