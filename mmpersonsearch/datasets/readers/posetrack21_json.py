"""PoseTrack21's jsons of person search: COCO's form with identities, and regions that are not annotated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmpersonsearch.structures import Query, SceneImage
from mmpersonsearch.utils.errors import InputError

from .coco_json import is_number, read_annotations
from .files import has_area, one_record

CLASS_NAME = "person"


def read_posetrack21(path: str | Path) -> list[SceneImage]:
    """Read the images with their persons, in the order of the json; an image's ``img_id`` is its ``file_name``.

    Each polygon of ``ignore_regions_x`` and ``ignore_regions_y`` becomes the rectangle around it, beside the regions of
    annotations.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: Its content is wrong; names the entry.
    """
    entries, scenes = read_annotations(path, CLASS_NAME)
    images = []
    for i, (entry, scene) in enumerate(zip(entries.values(), scenes, strict=True)):
        with one_record():
            regions = np.r_[scene.ignored_bboxes, _rectangles(entry, f"{path}, images[{i}]")]
            images.append(replace(scene, img_id=entry["file_name"], ignored_bboxes=regions))
    return images


def read_posetrack21_queries(path: str | Path) -> tuple[list[Query], list[SceneImage]]:
    """Read the queries, each an annotation of the json, image by image, and these images.

    For the errors, see :func:`read_posetrack21`.
    """
    queries, scenes = [], read_posetrack21(path)
    for scene in scenes:
        for bbox, person_id in zip(scene.bboxes, scene.person_ids.tolist()):
            if person_id < 0 or not has_area(bbox[None])[0]:
                raise InputError(
                    f"{path}: a query in {scene.img_id} has person_id {person_id} and box x1, y1, x2, y2 "
                    f"{bbox.tolist()}, expected an identity and an area"
                )
            queries.append(Query(scene.img_id, bbox, person_id))
    if not queries:
        raise InputError(f"{path} holds no queries")
    return queries, scenes


def _rectangles(entry: dict, where: str) -> np.ndarray:
    """(M, 4) rectangles, xyxy, around the polygons of an image; those of fewer than three corners enclose nothing."""
    xs, ys = (_polygons(entry, key, where) for key in ("ignore_regions_x", "ignore_regions_y"))
    if [len(x) for x in xs] != [len(y) for y in ys]:
        raise InputError(
            f"{where}: ignore_regions_x and ignore_regions_y have polygons of {[len(x) for x in xs]} and "
            f"{[len(y) for y in ys]} corners, expected the same"
        )
    boxes = [[min(x), min(y), max(x), max(y)] for x, y in zip(xs, ys) if len(x) > 2]
    boxes = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    return boxes[has_area(boxes)]


def _polygons(entry: dict, key: str, where: str) -> Sequence[Sequence[float]]:
    """One coordinate of all polygons; a single polygon may lack the outer list."""
    polygons = entry.get(key) or []
    if polygons and isinstance(polygons, list) and not any(isinstance(polygon, list) for polygon in polygons):
        polygons = [polygons]
    if not isinstance(polygons, list) or not all(
        isinstance(polygon, list) and all(map(is_number, polygon)) for polygon in polygons
    ):
        raise InputError(f"{where}: {key} is {polygons!r}, expected lists of numbers, one for each polygon")
    return polygons
