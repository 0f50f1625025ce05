"""COCO's json with identities: reading and writing of annotations and queries."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from mmpersonsearch.structures import Query, SceneImage
from mmpersonsearch.utils.errors import InputError

from .files import check_file, check_unique, has_area, one_record

_CATEGORY = dict(id=1, name="person", supercategory="person")


def read_annotations(path: str | Path, class_name: str) -> tuple[dict[str | int, dict], list[SceneImage]]:
    """Read the json's entry of each image by ``id``, and the images with their persons, both in the order of the json.

    ``class_name`` is the category that is read, if the json has categories.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: Its content is wrong; names the entry.
    """
    content = _load_json(path, ("images", "annotations"))
    images = {}
    for i, entry in enumerate(content["images"]):
        with one_record():
            _require_keys(entry, ("id", "file_name"), f"{path}, images[{i}]")
            images[entry["id"]] = entry
    check_unique([entry["id"] for entry in content["images"] if "id" in entry], path)
    category_ids = _category_ids(path, content, class_name)
    keys = ("image_id", "bbox") if category_ids is None else ("image_id", "bbox", "category_id")
    persons = defaultdict(list)
    for i, annotation in enumerate(content["annotations"]):
        where = f"{path}, annotations[{i}]"
        with one_record():
            _require_keys(annotation, keys, where)
            if category_ids is not None and annotation["category_id"] not in category_ids:
                continue
            if annotation.get("iscrowd"):
                raise InputError(f"{where}: iscrowd is {annotation['iscrowd']!r}, expected a box of one object")
            if annotation["image_id"] not in images:
                raise InputError(f"{where}: image_id {annotation['image_id']!r} is not among the images")
            persons[annotation["image_id"]].append(
                (_bbox(annotation, where), _person_id(annotation, where), annotation.get("camera_id"))
            )
    return images, [_scene(path, entry, persons[img_id]) for img_id, entry in images.items()]


def read_queries(path: str | Path, scenes: Sequence[SceneImage]) -> list[Query]:
    """Read the queries in the scenes, with their images' cameras; raises the errors of :func:`read_annotations`."""
    cameras = {scene.img_id: scene.camera_id for scene in scenes}
    queries = []
    for i, query in enumerate(_load_json(path, ("queries",))["queries"]):
        where = f"{path}, queries[{i}]"
        with one_record():
            _require_keys(query, ("image_id", "bbox", "person_id"), where)
            if query["image_id"] not in cameras:
                raise InputError(f"{where}: image_id {query['image_id']!r} is not among the images of the annotations")
            bbox, person_id = _bbox(query, where), _person_id(query, where)
            if person_id < 0 or not has_area(bbox[None])[0]:
                raise InputError(f"{where}: expected a person_id >= 0 and a box with an area, got {query}")
            queries.append(Query(query["image_id"], bbox, person_id, cameras[query["image_id"]]))
    if not queries:
        raise InputError(f"{path} holds no queries")
    return queries


def annotations_json(scenes: Sequence[SceneImage], img_path: Callable[[str | int], str]) -> dict:
    """Make the content of a json of annotations; images are numbered from 1 in the order of the scenes.

    ``img_path`` gives the file of an ``img_id``, whose size is read.
    """
    images, annotations = [], []
    for i, scene in enumerate(tqdm(scenes, desc="reading image sizes", unit="image"), start=1):
        path = Path(img_path(scene.img_id))
        with Image.open(path) as image:
            width, height = image.size
        camera = {} if scene.camera_id is None else dict(camera_id=scene.camera_id)
        images.append(dict(id=i, file_name=path.name, width=width, height=height, **camera))
        for bbox, person_id in zip(_to_xywh(scene.bboxes), scene.person_ids.tolist()):
            own = dict(id=len(annotations) + 1, image_id=i, category_id=_CATEGORY["id"], bbox=bbox)
            own.update(area=bbox[2] * bbox[3], iscrowd=0, person_id=person_id, **camera)
            annotations.append(own)
    return dict(images=images, annotations=annotations, categories=[_CATEGORY])


def queries_json(scenes: Sequence[SceneImage], queries: Sequence[Query]) -> dict:
    """Make the content of a json of queries; see :func:`annotations_json` for the images' numbers."""
    number = {scene.img_id: i for i, scene in enumerate(scenes, start=1)}
    bboxes = _to_xywh(np.array([query.bbox for query in queries]).reshape(-1, 4))
    entries = [dict(image_id=number[q.img_id], bbox=b, person_id=q.person_id) for q, b in zip(queries, bboxes)]
    return dict(queries=entries)


def _to_xywh(bboxes: np.ndarray) -> list[list[float]]:
    return np.concatenate([bboxes[:, :2], bboxes[:, 2:] - bboxes[:, :2]], axis=1).tolist()


def _category_ids(path: str | Path, content: dict, class_name: str) -> set | None:
    """Ids of the searched class; None if the json has no categories."""
    if not content.get("categories"):
        return None
    named = {category["id"]: category["name"] for category in content["categories"]}
    if class_name not in named.values():
        raise InputError(
            f"{path}: metainfo['classes'] names {class_name!r}, but categories are {sorted(named.values())}"
        )
    return {category_id for category_id, name in named.items() if name == class_name}


def _scene(path: str | Path, image: dict, persons: list[tuple]) -> SceneImage:
    cameras = {camera for *_, camera in persons} | {image.get("camera_id")}
    cameras.discard(None)
    if len(cameras) > 1:
        raise InputError(f"{path}: image {image['id']!r} has several camera_id: {sorted(cameras)}")
    bboxes = np.array([bbox for bbox, *_ in persons]).reshape(-1, 4)
    person_ids = [person_id for _, person_id, _ in persons]
    return SceneImage(image["id"], bboxes, person_ids, next(iter(cameras), None))


def _load_json(path: str | Path, keys: tuple[str, ...]) -> dict:
    path = check_file(path, f"a json with {' and '.join(keys)}")
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path} is no json: {error}") from error
    for key in keys:
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise InputError(f"{path} has no list {key!r}")
    return content


def _require_keys(entry: dict, keys: tuple[str, ...], where: str) -> None:
    if missing := [key for key in keys if key not in entry]:
        raise InputError(f"{where} has no {missing[0]!r}: {entry}")


def _bbox(entry: dict, where: str) -> np.ndarray:
    try:
        bbox = np.array(entry["bbox"], dtype=np.float64)
    except (TypeError, ValueError):
        bbox = np.empty(0)
    if bbox.shape != (4,) or not np.isfinite(bbox).all():
        raise InputError(f"{where}: bbox {entry['bbox']!r}, expected [x, y, w, h]")
    return np.concatenate([bbox[:2], bbox[:2] + bbox[2:]])


def _person_id(entry: dict, where: str) -> int:
    person_id = -1 if entry.get("person_id") is None else entry["person_id"]
    if not isinstance(person_id, int) or person_id < -1:
        raise InputError(f"{where}: person_id {person_id!r}, expected an integer >= 0, or -1 for unlabelled")
    return person_id
