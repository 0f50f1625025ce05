"""Rankings by context persons."""

from .base import BaseRanking, QueryChunk
from .cbgm import ContextBipartiteGraphMatching
from .rcp import RankingWithContextPersons, context_persons

__all__ = [
    "BaseRanking",
    "ContextBipartiteGraphMatching",
    "QueryChunk",
    "RankingWithContextPersons",
    "context_persons",
]
