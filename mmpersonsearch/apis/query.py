"""Queries: a person in one or several pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.media import Item


@dataclass
class Query:
    """A person to search for, in one or several pictures.

    Attributes:
        feats: (D,) the mean of the pictures' embeddings, L2-normalized.
        scenes: Per picture all detections: ``bboxes`` (n, 4), ``scores`` (n,), ``reid_feats`` (n, D).
        bboxes: (P, 4) the person in each picture, xyxy in pixels.
        pictures: The P pictures.
        fingerprint: Of the model.
    """

    feats: Tensor
    scenes: list[InstanceData]
    bboxes: np.ndarray
    pictures: list[Item]
    fingerprint: str


def embed_query(
    searcher: Any,
    pictures: Item | Sequence[Item],
    bbox: Sequence[float] | Sequence[Sequence[float]] | None,
    pick: int | Sequence[int] | None,
    score_thr: float,
) -> Query:
    """Do what :meth:`PersonSearchInferencer.embed` of ``searcher`` says; see there for the arguments."""
    several = isinstance(pictures, list | tuple)
    pictures = [str(one) if isinstance(one, Path) else one for one in (pictures if several else [pictures])]
    boxes = [None] * len(pictures) if bbox is None else list(bbox) if several else [bbox]
    picks = list(pick) if isinstance(pick, list | tuple) else [pick] * len(pictures)
    for name, given in (("boxes", boxes), ("numbers to pick", picks)):
        if not pictures or len(given) != len(pictures):
            raise InputError(f"embed: {len(pictures)} pictures and {len(given)} {name}, expected one each")
    queries = []
    for picture, box, number in zip(pictures, boxes, picks):
        name = picture if isinstance(picture, str) else "the picture"
        item = dict(img=picture)
        array = None if box is None else check_box(box, name)
        if array is not None:
            item["query_instances"] = dict(bboxes=array, query_ids=np.zeros(1, dtype=np.int64))
        (sample,) = searcher.predict([item])
        if isinstance(sample, Exception):
            raise sample
        found = sample.pred_instances[sample.pred_instances.scores >= score_thr]
        if array is None:
            queries.append(query_of(found, pick_person(found, number, name), picture, searcher.fingerprint))
            continue
        height, width = sample.ori_shape
        if array[0, 0] >= width or array[0, 1] >= height or min(array[0, 2:]) <= 0:
            raise InputError(f"box {array[0].tolist()} is outside {name}, which is {width} x {height}")
        feats = torch.nn.functional.normalize(sample.query_instances.reid_feats[0].float(), dim=0)
        queries.append(Query(feats, [found], array, [picture], searcher.fingerprint))
    return join_queries(queries)


def query_of(found: InstanceData, number: int, picture: Item, fingerprint: str) -> Query:
    """Make a query of one of a picture's detections, by its place among them from 0 on."""
    feats = torch.nn.functional.normalize(found.reid_feats[number].float(), dim=0)
    return Query(feats, [found], found.bboxes[number : number + 1].float().numpy(), [picture], fingerprint)


def join_queries(queries: Sequence[Query]) -> Query:
    """Join queries of one person and one model: the mean of their embeddings, all of their pictures."""
    mean = torch.nn.functional.normalize(torch.stack([query.feats for query in queries]).mean(0), dim=0)
    scenes = [scene for query in queries for scene in query.scenes]
    pictures = [picture for query in queries for picture in query.pictures]
    return Query(mean, scenes, np.concatenate([query.bboxes for query in queries]), pictures, queries[0].fingerprint)


def check_box(box: Sequence[float], name: str) -> np.ndarray:
    """Return a box as (1, 4) float32; InputError if it is none."""
    array = np.asarray(box, dtype=np.float32).reshape(1, -1)
    if array.shape != (1, 4) or not np.isfinite(array).all() or (array[0, 2:] <= array[0, :2]).any():
        raise InputError(f"box {list(box)} of {name}: expected x1 y1 x2 y2 in pixels, x1 < x2 and y1 < y2")
    return array


def pick_person(found: InstanceData, pick: int | None, name: str) -> int:
    """Choose the only detection, or the one of a number from 1 on, from left to right.

    Raises:
        InputError: There is nobody, or several persons and no number, or none of this number.
    """
    order = found.bboxes[:, 0].argsort().tolist()
    if pick is None and len(order) == 1:
        return order[0]
    if not order:
        raise InputError(f"{name}: nobody was detected, expected a box")
    if pick is not None and 1 <= pick <= len(order):
        return order[pick - 1]
    boxes = [", ".join(f"{x:.0f}" for x in found.bboxes[i].tolist()) for i in order]
    listed = "; ".join(f"{n}: ({box})" for n, box in enumerate(boxes, start=1))
    asked = f"pick {pick}" if pick is not None else f"{len(order)} persons, expected a box or pick"
    raise InputError(f"{name}: {asked}, of these (x1, y1, x2, y2): {listed}")
