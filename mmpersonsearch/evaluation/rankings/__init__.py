"""Rankings: how similarities become a ranking list."""

from .base_ranking import BaseRanking, QueryChunk
from .ranking_with_context_persons import RankingWithContextPersons, context_persons

__all__ = ["BaseRanking", "QueryChunk", "RankingWithContextPersons", "context_persons"]
