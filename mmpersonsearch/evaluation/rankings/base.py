"""Base class of rankings, and the chunk of queries that they rank."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from mmpersonsearch.evaluation.index.gallery import Gallery
from mmpersonsearch.evaluation.index.search_index import SearchIndex


@dataclass
class QueryChunk:
    """Some queries and their similarities to all detections; queries of one image are in one chunk.

    Attributes:
        index: All detections and all queries.
        query_inds: (R,) int64 the queries of the chunk.
        similarities: (R, N) to all detections, in a gallery or not. Shared: do not write to it.
        gallery: The galleries that are searched.
    """

    index: SearchIndex
    query_inds: Tensor
    similarities: Tensor
    gallery: Gallery


class BaseRanking(ABC):
    """Base of the rankings, which replace the similarities by better ones. Its attributes are its parameters.

    Attributes:
        name: Name in the metrics; a parameter, so that two rankings of one type can be compared.
        depends_on_gallery: Whether ``rank`` uses ``chunk.gallery``; if not, it is called once for all galleries.
    """

    name: str
    depends_on_gallery = False

    @abstractmethod
    def rank(self, chunk: QueryChunk) -> Tensor:
        """Return (R, N) finite similarities to rank by, of the type of ``chunk.similarities``."""
