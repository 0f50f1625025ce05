"""Metric of Re-ID models for MMEngine's runner."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from mmpersonsearch.registry import METRICS
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.scene_files import open_scene
from mmpersonsearch.visualization.ranking_picture import draw_crop_ranking

from ..ranking_list import worst_queries
from ..reid import PROTOCOLS, UNKNOWN_CLOTHES, ReIDImages, evaluate_reid, rank_reid
from ..search import SearchResult

_KEYS = ("person_id", "camera_id", "clothes_id", "is_query", "img_path")


@METRICS.register_module()
class ReIDMetric(BaseMetric):
    """Rank-k accuracy and mAP of a test split of queries and gallery.

    Each sample has ``pred_feature`` (D,), and in its meta information ``person_id``, ``camera_id``, ``is_query`` and,
    where the protocol asks for it, ``clothes_id``. The keys are ``reid/mAP``, ``reid/R-1``, ... of the first protocol,
    and ``reid/<protocol>/mAP``, ... where there are several; the values are in [0, 1].

    Args:
        protocols: One or several of :func:`mmpersonsearch.evaluation.evaluate_reid`.
        topk, normalize, num_draws, seed: See there.
        show_dir: Folder for ``ranking.png``, the queries with the lowest average precision by the first protocol, each
            beside its ``show_topk`` most similar gallery images.
        num_shown: Number of these queries.
        show_topk: Number of gallery images beside each.
        kwargs: Arguments of :class:`mmengine.evaluator.BaseMetric`.

    Raises:
        InputError: No protocol, or an unknown one.
    """

    default_prefix = "reid"

    def __init__(
        self,
        protocols: Sequence[str] = ("standard",),
        topk: Sequence[int] = (1, 5, 10),
        normalize: bool = True,
        num_draws: int = 0,
        seed: int = 0,
        show_dir: str | None = None,
        num_shown: int = 8,
        show_topk: int = 5,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(protocols, str) or not protocols or set(protocols) - PROTOCOLS.keys():
            raise InputError(f"ReIDMetric: protocols must be some of {list(PROTOCOLS)}, got {protocols!r}")
        self.protocols, self.topk, self.normalize = tuple(protocols), tuple(topk), normalize
        self.num_draws, self.seed = num_draws, seed
        self.show_dir, self.num_shown, self.show_topk = show_dir, num_shown, show_topk

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Collect embeddings and what is known of the images; InputError without a field."""
        for sample in data_samples:
            if missing := [key for key in ("pred_feature", *_KEYS) if key not in sample and key != "clothes_id"]:
                raise InputError(
                    f"ReIDMetric: a sample lacks {', '.join(missing)}: is this a split of queries and gallery?"
                )
            result = {key: sample.get(key, UNKNOWN_CLOTHES) for key in _KEYS}
            self.results.append({"feat": sample["pred_feature"].detach().cpu().flatten(), **result})

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Measure the results of all ranks; InputError as :func:`mmpersonsearch.evaluation.evaluate_reid`."""
        parts = [[one for one in results if one["is_query"] == is_query] for is_query in (True, False)]
        if not all(parts):
            raise InputError(f"ReIDMetric: got {len(parts[0])} queries and {len(parts[1])} gallery images")
        query, gallery = (_to_images(part) for part in parts)
        searches = [
            evaluate_reid(query, gallery, one, self.topk, self.normalize, self.num_draws, self.seed)
            for one in self.protocols
        ]
        self._log(searches, len(gallery.feats))
        if self.show_dir is not None:
            self._draw(parts, query, gallery, searches[0])
        metrics = {}
        for search in searches:
            prefixes = [""] if search is searches[0] else []
            prefixes += [f"{search.gallery}/"] if len(searches) > 1 else []
            for prefix in prefixes:
                metrics[f"{prefix}mAP"] = search.mAP
                metrics.update({f"{prefix}R-{k}": value for k, value in search.topk.items()})
        return metrics

    def _log(self, searches: list[SearchResult], num_gallery: int) -> None:
        draws = f", {self.num_draws} draws of one of each person" if self.num_draws else ""
        lines = [f"Re-ID (%, {num_gallery} gallery images{draws})"]
        for one in searches:
            percents = [("mAP", one.mAP), *((f"R-{k}", value) for k, value in one.topk.items())]
            numbers = "  ".join(f"{name} {100 * value:.2f}" for name, value in percents)
            lines.append(f"{one.gallery}: {numbers}  ({one.num_queries} queries, {one.num_skipped} without a match)")
        print_log("\n".join(lines), "current")

    def _draw(self, parts: list[list[dict]], query: ReIDImages, gallery: ReIDImages, search: SearchResult) -> None:
        inds = worst_queries(search, self.num_shown)
        lists = rank_reid(query, gallery, inds, self.show_topk, search.gallery, self.normalize)
        path = Path(self.show_dir) / "ranking.png"
        crops = [[(one["img_path"], one["person_id"], one["camera_id"]) for one in part] for part in parts]
        draw_crop_ranking(*crops, lists, open_scene, path, "Lowest average precision first", search.ap_by_query())
        print_log(f"Best matches of the {len(inds)} worst queries: {path}", "current")


def _to_images(results: list[dict]) -> ReIDImages:
    ids = [np.array([one[key] for one in results]) for key in ("person_id", "camera_id", "clothes_id")]
    return ReIDImages(torch.stack([one["feat"] for one in results]), *ids)
