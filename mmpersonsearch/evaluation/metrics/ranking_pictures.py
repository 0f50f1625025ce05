"""Pictures of the queries with the lowest average precision, drawn at the end of a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.evaluation import BaseRanking, evaluate_search, rank_gallery
from mmpersonsearch.evaluation.ranking_list import worst_queries
from mmpersonsearch.utils.scene_files import open_scene
from mmpersonsearch.visualization.ranking_picture import draw_ranking, query_titles

from .search_results import SearchResultsMetric


class RankingPictures(SearchResultsMetric):
    """Metric that draws ``ranking_crops.png`` and ``ranking_scenes.png`` in ``folder`` instead of measuring.

    They show the ``num_queries`` queries with the lowest average precision in the main gallery, each beside its ``k``
    best matches. ``img_path`` gives the file of an ``img_id``; for the other arguments see :func:`evaluate_search`.
    Of a joint test split ``img_path`` holds one such function by name of each data set, whose pictures are in
    ``folder/<name>``.
    """

    def __init__(
        self,
        folder: str | Path,
        img_path: Callable[[str | int], str] | Mapping[str, Callable[[str | int], str]],
        ranking: BaseRanking | None = None,
        det_thr: float = 0.5,
        num_queries: int = 8,
        k: int = 5,
    ) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.img_path = img_path
        self.ranking = ranking
        self.det_thr = det_thr
        self.num_queries = num_queries
        self.k = k

    def of_data_set(self, name: str, meta: dict[str, Any]) -> SearchResultsMetric:
        """See :meth:`SearchResultsMetric.of_data_set`."""
        metric = super().of_data_set(name, meta)
        metric.folder, metric.img_path = self.folder / name, self.img_path[name]
        return metric

    def measure(self, detections: Sequence[InstanceData], query_feats: Tensor) -> dict[str, float]:
        """Draw the pictures; there are no metrics."""
        protocol = self.search_protocol()
        searched = dict(det_thr=self.det_thr, ranking=self.ranking, gallery=protocol.main_gallery)
        result = evaluate_search(protocol, detections, query_feats, **searched)
        inds = worst_queries(result, self.num_queries)
        lists = rank_gallery(protocol, detections, query_feats, inds, k=self.k, **searched)
        titles = query_titles(protocol, inds, result.ap_by_query())
        for name in ("crops", "scenes"):
            draw_ranking(
                protocol,
                lists,
                lambda img_id: open_scene(self.img_path(img_id)),
                self.folder / f"ranking_{name}.png",
                title="Lowest average precision first",
                row_titles=titles,
                scenes=name == "scenes",
            )
        print_log(f"Best matches of the {len(inds)} worst queries: {self.folder}/ranking_*.png", "current")
        return {}
