"""Python interface."""

from .inferencer import PersonSearchInferencer, Query
from .model import build_model

__all__ = ["PersonSearchInferencer", "Query", "build_model"]
