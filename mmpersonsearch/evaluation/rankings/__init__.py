"""Rankings: how similarities become a ranking list."""

from .base_ranking import BaseRanking, QueryChunk
from .context_bipartite_graph_matching import ContextBipartiteGraphMatching
from .ranking_with_context_persons import RankingWithContextPersons, context_persons

__all__ = [
    "BaseRanking",
    "ContextBipartiteGraphMatching",
    "QueryChunk",
    "RankingWithContextPersons",
    "context_persons",
]
