"""What a ranking is given and what it gives back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mmpersonsearch.evaluation.index.gallery import Gallery
from mmpersonsearch.evaluation.index.search_index import SearchIndex


@dataclass
class QueryChunk:
    """Some queries and their similarities to all detections; queries of one image come together.

    Attributes:
        index: All detections and all queries.
        query_inds: (R,) int64 the queries of the chunk.
        similarities: (R, N) to all detections, in a gallery or not. Shared: not to be written to.
        gallery: The galleries that are searched.
    """

    index: SearchIndex
    query_inds: Tensor
    similarities: Tensor
    gallery: Gallery


class BaseRanking(ABC):
    """A ranking turns similarities into better ones.

    Attributes:
        name: Under which the metric reports it; a parameter, so that two of a kind can be compared.
        depends_on_gallery: Whether ``rank`` looks at ``chunk.gallery``; if not, it is called once for all galleries.
    """

    name: str
    depends_on_gallery = False

    @abstractmethod
    def rank(self, chunk: QueryChunk) -> Tensor:
        """Similarities to rank by.

        Args:
            chunk: Queries and their similarities.

        Returns:
            (R, N) finite numbers of the type of ``chunk.similarities``.
        """

    def describe(self) -> dict[str, Any]:
        """Type and parameters, for the record of what a metric depends on."""
        return {"type": type(self).__name__, **vars(self)}
