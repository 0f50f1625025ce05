"""Least similarity of hits, measured on labelled data and kept with the model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track

from mmpersonsearch.datasets import PersonSearchDataset
from mmpersonsearch.evaluation.hit_curve import HitCurve, measure_hits
from mmpersonsearch.structures import Query, SceneImage, SearchProtocol
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import read_json_file, write_json_file


@dataclass
class Calibration:
    """Least similarity of a model's hits.

    Attributes:
        min_similarity: The similarity.
        criterion: How it was chosen, and on which data.
        fingerprint: Of the model.
        model: Its name.
    """

    min_similarity: float
    criterion: str
    fingerprint: str
    model: str

    def store(self) -> Path:
        """Write it to the folder of ``torch.hub``, where published weights are, too, and return the file."""
        path = _file_of(self.fingerprint)
        write_json_file(path, asdict(self))
        return path


def find_calibration(fingerprint: str) -> Calibration | None:
    """Return what was stored for a model, by its fingerprint (``gallery.facts["fingerprint"]``); None without any.

    Raises:
        InputError: The file is damaged.
    """
    path = _file_of(fingerprint)
    if not path.is_file():
        return None
    try:
        return Calibration(**read_json_file(path))
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is no calibration ({error}): remove it, and calibrate again") from None


def _file_of(fingerprint: str) -> Path:
    return Path(torch.hub.get_dir(), "mmpersonsearch", f"{fingerprint.replace(':', '-')}.json")


def measure_searcher(
    searcher: Any,
    dataset: PersonSearchDataset,
    score_thr: float | None = None,
    batch_size: int = 1,
    max_queries: int = 2000,
) -> HitCurve:
    """Search labelled persons in the pictures of a data set, each in all others.

    Args:
        searcher: A ``PersonSearchInferencer``.
        dataset: Pictures with persons; its own queries are not read: each labelled person is a query.
        score_thr: Least score of detections, by default the config's ``det_thr``.
        batch_size: Pictures that the model sees at a time.
        max_queries: Of more queries as many are taken, evenly spaced.

    Raises:
        InputError: A picture cannot be read; nobody is labelled; see :func:`measure_hits`.
    """
    entries = [dataset.get_data_info(i) for i in range(len(dataset))]
    scenes = [_scene(entry) for entry in entries]
    queries = [
        Query(scene.img_id, bbox, int(person))
        for scene in scenes
        for bbox, person in zip(scene.bboxes, scene.person_ids)
        if person >= 0
    ]
    if not queries:
        raise InputError(f"{dataset.ann_file}: nobody is labelled, expected a person_id")
    if len(queries) > max_queries:
        queries = [queries[i] for i in np.linspace(0, len(queries) - 1, max_queries).astype(int)]
    wanted: dict[str | int, list[int]] = {scene.img_id: [] for scene in scenes}
    for i, query in enumerate(queries):
        wanted[query.img_id].append(i)
    items = []
    for entry, inds in zip(entries, wanted.values()):
        bboxes = np.array([queries[i].bbox for i in inds], dtype=np.float32).reshape(-1, 4)
        items.append(dict(img=entry["img_path"], query_instances=dict(bboxes=bboxes, query_ids=np.array(inds, int))))
    detections, feats = [], [torch.empty(0)] * len(queries)
    samples = searcher.predict(items, batch_size)
    for sample in track(samples, "calibrate", len(items)) if searcher.show_progress else samples:
        if isinstance(sample, Exception):
            raise sample
        detections.append(sample.pred_instances)
        for i, feat in zip(sample.query_instances.query_ids.tolist(), sample.query_instances.reid_feats):
            feats[i] = feat
    score_thr = searcher.score_thr if score_thr is None else score_thr
    return measure_hits(SearchProtocol(scenes, queries), detections, torch.stack(feats).float(), score_thr)


def _scene(entry: dict[str, Any]) -> SceneImage:
    persons = [one for one in entry["instances"] if not one["ignore_flag"]]
    ignored = [one["bbox"] for one in entry["instances"] if one["ignore_flag"]]
    bboxes, ids = [one["bbox"] for one in persons], [one["person_id"] for one in persons]
    return SceneImage(entry["img_id"], bboxes, ids, ignored_bboxes=ignored)
