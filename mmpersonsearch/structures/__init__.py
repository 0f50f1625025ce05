"""Plain dataclasses that data sets, models and evaluation share."""

from .search_protocol import Query, SceneImage, SearchProtocol

__all__ = ["Query", "SceneImage", "SearchProtocol"]
