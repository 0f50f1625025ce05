"""Pictures of the queries that went worst, made at the end of a test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mmengine.logging import print_log
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.evaluation import BaseRanking, evaluate_search, rank_gallery
from mmpersonsearch.evaluation.metrics.person_search import PersonSearchMetric
from mmpersonsearch.evaluation.ranking_list import worst_queries
from mmpersonsearch.visualization.ranking_picture import draw_ranking, open_scene, query_titles


class RankingPictures(PersonSearchMetric):
    """Draw ``ranking_crops.png`` and ``ranking_scenes.png`` in place of computing figures.

    They show the queries with the lowest average precision first, each beside its best matches. Of a protocol with
    galleries of several sizes the first is searched.

    Args:
        folder: Where the pictures go.
        img_path: Gives the file of an ``img_id``.
        ranking: Changes the similarities; None leaves them.
        det_thr: Detections with a lower score are left out.
        num_queries: Rows.
        k: Matches of a query.
    """

    def __init__(
        self,
        folder: str | Path,
        img_path: Callable[[str | int], str],
        ranking: BaseRanking | None = None,
        det_thr: float = 0.5,
        num_queries: int = 8,
        k: int = 5,
    ) -> None:
        super().__init__(rankings=[ranking], det_thr=det_thr)
        self.folder = Path(folder)
        self.img_path = img_path
        self.num_queries = num_queries
        self.k = k

    def compute_figures(self, detections: Sequence[InstanceData], query_feats: Tensor) -> dict[str, float]:
        """Draw; only the main process comes here.

        Args:
            detections: One an image, see :func:`mmpersonsearch.evaluation.evaluate_search`.
            query_feats: (Q, D) embeddings of the queries.

        Returns:
            No figures.
        """
        protocol = self.search_protocol()
        searched = dict(det_thr=self.det_thr, ranking=self.rankings[0], gallery=protocol.main_gallery)
        result = evaluate_search(protocol, detections, query_feats, **searched)
        inds = worst_queries(result, self.num_queries)
        lists = rank_gallery(protocol, detections, query_feats, inds, k=self.k, **searched)
        for name in ("crops", "scenes"):
            draw_ranking(
                protocol,
                lists,
                lambda img_id: open_scene(self.img_path(img_id)),
                self.folder / f"ranking_{name}.png",
                title="Lowest average precision first",
                row_titles=query_titles(protocol, inds, result),
                scenes=name == "scenes",
            )
        print_log(f"Best matches of the {len(inds)} worst queries: {self.folder}/ranking_*.png", "current")
        return {}
