"""COCO's json with identities: reading and writing of annotations and queries."""

from __future__ import annotations

import posixpath
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mmpersonsearch.structures import Query, SceneImage
from mmpersonsearch.utils.errors import InputError, damage_named
from mmpersonsearch.utils.files import read_json_file
from mmpersonsearch.utils.scene_files import names_below, scene_size

from .files import check_file, check_unique, has_area, one_record

_IDENTITY = re.compile("person|pid|ident|track|instance_?id|reid")
_CATEGORY = dict(id=1, name="person", supercategory="person")


def read_annotations(path: str | Path, class_name: str) -> tuple[dict[str | int, dict], list[SceneImage]]:
    """Read the json's entry of each image by ``id``, and the images with their persons, both in the order of the json.

    ``class_name`` is the category that is read, if the json has categories.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: Its content is wrong; names the entry.
    """
    content = _load_json(path, ("images", "annotations"))
    scenes = []
    with damage_named(path):
        images = _images(path, content)
        persons = _persons(path, content, class_name)
        for img_id, entry in images.items():
            with one_record():
                scenes.append(_scene(path, entry, persons[img_id]))
    return images, scenes


def read_queries(path: str | Path, scenes: Sequence[SceneImage]) -> list[Query]:
    """Read the queries in the scenes, with their images' cameras; raises the errors of :func:`read_annotations`."""
    cameras = {scene.img_id: scene.camera_id for scene in scenes}
    queries = []
    for i, query in enumerate(_load_json(path, ("queries",))["queries"]):
        where = f"{path}, queries[{i}]"
        with one_record(), damage_named(path):
            _require_keys(query, ("image_id", "bbox", "person_id"), where)
            if _image_id(query, where) not in cameras:
                raise InputError(f"{where}: image_id {query['image_id']!r} is not among the images of the annotations")
            bbox, person_id = _bbox(query, where), _person_id(query, where)
            if person_id < 0 or not has_area(bbox[None])[0]:
                raise InputError(f"{where}: expected a person_id >= 0 and a box with an area, got {query}")
            queries.append(Query(query["image_id"], bbox, person_id, cameras[query["image_id"]]))
    if not queries:
        raise InputError(f"{path} holds no queries")
    return queries


def annotations_json(
    scenes: Sequence[SceneImage], img_path: Callable[[str | int], str | Path], root: Path | None = None
) -> dict:
    """Make the content of a json of annotations; images are numbered from 1 in the order of the scenes.

    ``img_path`` gives the file of an ``img_id``, whose size is read. Names of files are relative to ``root``, or else
    to the folder that all have in common.
    """
    images, annotations = [], []
    names = names_below(str(Path(img_path(scene.img_id))) for scene in scenes)
    for i, scene in enumerate(tqdm(scenes, desc="reading image sizes", unit="image"), start=1):
        path = Path(img_path(scene.img_id))
        width, height = scene_size(path)
        camera = {} if scene.camera_id is None else dict(camera_id=scene.camera_id)
        name = names[str(path)] if root is None else path.relative_to(root).as_posix()
        images.append(dict(id=i, file_name=name, width=width, height=height, **camera))
        for bbox, person_id in zip(_to_xywh(scene.bboxes), scene.person_ids.tolist()):
            own = dict(id=len(annotations) + 1, image_id=i, category_id=_CATEGORY["id"], bbox=bbox)
            own.update(area=bbox[2] * bbox[3], iscrowd=0, person_id=person_id, **camera)
            annotations.append(own)
        for bbox in _to_xywh(scene.ignored_bboxes):
            own = dict(id=len(annotations) + 1, image_id=i, category_id=_CATEGORY["id"], bbox=bbox)
            annotations.append(own | dict(area=bbox[2] * bbox[3], iscrowd=1))
    return dict(images=images, annotations=annotations, categories=[_CATEGORY])


def queries_json(scenes: Sequence[SceneImage], queries: Sequence[Query]) -> dict:
    """Make the content of a json of queries; see :func:`annotations_json` for the images' numbers."""
    number = {scene.img_id: i for i, scene in enumerate(scenes, start=1)}
    bboxes = _to_xywh(np.array([query.bbox for query in queries]).reshape(-1, 4))
    entries = [dict(image_id=number[q.img_id], bbox=b, person_id=q.person_id) for q, b in zip(queries, bboxes)]
    return dict(queries=entries)


def _to_xywh(bboxes: np.ndarray) -> list[list[float]]:
    return np.concatenate([bboxes[:, :2], bboxes[:, 2:] - bboxes[:, :2]], axis=1).tolist()


def _images(path: str | Path, content: dict) -> dict[str | int, dict]:
    """Entries of the images by ``id``."""
    images, names = {}, {}
    for i, entry in enumerate(content["images"]):
        with one_record():
            where = f"{path}, images[{i}]"
            _require_keys(entry, ("id", "file_name"), where)
            _check_image(entry, where)
            first = names.setdefault(posixpath.normpath(entry["file_name"]), entry["id"])
            if first != entry["id"]:
                raise InputError(f"{where}: file_name {entry['file_name']!r} is also that of the image of id {first!r}")
            images[entry["id"]] = entry
    if not content["images"]:
        raise InputError(f"{path}: 'images' is empty, expected at least one image")
    with one_record():
        check_unique([entry["id"] for entry in content["images"] if _has_id(entry)], path)
    return images


def _persons(path: str | Path, content: dict, class_name: str) -> dict[str | int, list[tuple]]:
    """By the image's ``id`` box, identity, whether it is a region to ignore, and camera of each annotation."""
    known = {entry["id"] for entry in content["images"] if _has_id(entry)}  # faulty ones, too: they are named already
    categories = _categories(path, content, class_name)
    keys = ("image_id", "bbox") if categories is None else ("image_id", "bbox", "category_id")
    persons, ids, category_ids = defaultdict(list), {}, set()
    for i, annotation in enumerate(content["annotations"]):
        where = f"{path}, annotations[{i}]"
        with one_record():
            _require_keys(annotation, keys, where)
            if _has_id(annotation) and (first := ids.setdefault(annotation["id"], i)) != i:
                raise InputError(f"{where}: id {annotation['id']!r} is also that of annotations[{first}]")
            if categories is not None and _category(annotation, categories, where) != class_name:
                continue
            category_ids.add(repr(annotation.get("category_id")))
            if _image_id(annotation, where) not in known:
                raise InputError(f"{where}: image_id {annotation['image_id']!r} is not among the images")
            person = _bbox(annotation, where), *_person(annotation, where), _camera_id(annotation, where)
            persons[annotation["image_id"]].append(person)
    if categories is None and len(category_ids) > 1:
        some = ", ".join(sorted(category_ids)[:5])
        raise InputError(f"{path}: annotations have the category_id {some}, expected 'categories' that name them")
    return persons


def _categories(path: str | Path, content: dict, class_name: str) -> dict[int, str] | None:
    """Names of the categories by their id; None if the json has no categories."""
    if not content.get("categories"):
        return None
    for i, category in enumerate(content["categories"]):
        where = f"{path}, categories[{i}]"
        _require_keys(category, ("id", "name"), where)
        if not _is_int(category["id"]) or not isinstance(category["name"], str):
            raise InputError(f"{where}: expected an integer id and a text as name, got {category}")
    named = {category["id"]: category["name"] for category in content["categories"]}
    if len(named) < len(content["categories"]):
        raise InputError(f"{path}: two categories have the same id: {content['categories']}")
    if class_name not in named.values():
        raise InputError(
            f"{path}: metainfo['classes'] names {class_name!r}, but categories are {sorted(named.values())}"
        )
    return named


def _category(annotation: dict, categories: dict[int, str], where: str) -> str:
    category_id = annotation["category_id"]
    if not _is_int(category_id) or category_id not in categories:
        raise InputError(f"{where}: category_id {category_id!r}, but the categories' ids are {sorted(categories)}")
    return categories[category_id]


def _check_image(entry: dict, where: str) -> None:
    name = entry["file_name"]
    if not isinstance(name, str) or not name or "\0" in name:
        raise InputError(f"{where}: file_name {name!r}, expected the image's path")
    if "\\" in name:
        remedy = name.replace("\\", "/")
        raise InputError(f"{where}: file_name {name!r} is a path of Windows; write it with slashes, {remedy!r}")
    if not isinstance(entry["id"], str) and not _is_int(entry["id"]):
        raise InputError(f"{where}: id {entry['id']!r}, expected an integer or a text")
    for key in ("width", "height"):
        side = entry.get(key)
        if side is not None and not (is_number(side) and side >= 0):
            raise InputError(f"{where}: {key} {side!r}, expected a number of pixels")
    _camera_id(entry, where)


def _has_id(entry: object) -> bool:
    return isinstance(entry, dict) and (_is_int(entry.get("id")) or isinstance(entry.get("id"), str))


def _image_id(entry: dict, where: str) -> str | int:
    if not isinstance(entry["image_id"], str) and not _is_int(entry["image_id"]):
        raise InputError(f"{where}: image_id {entry['image_id']!r}, expected an image's id")
    return entry["image_id"]


def _camera_id(entry: dict, where: str) -> int | None:
    camera_id = entry.get("camera_id")
    if camera_id is not None and not _is_int(camera_id):
        raise InputError(f"{where}: camera_id {camera_id!r}, expected an integer")
    return camera_id


def _is_int(value: object) -> bool:
    """Whether a json's value is an integer that fits 64 bits; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def is_number(value: object) -> bool:
    """Whether a json's value is a number that is finite as a float."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _scene(path: str | Path, image: dict, persons: list[tuple]) -> SceneImage:
    cameras = {camera for *_, camera in persons} | {image.get("camera_id")}
    cameras.discard(None)
    if len(cameras) > 1:
        raise InputError(f"{path}: image {image['id']!r} has several camera_id: {sorted(cameras)}")
    own = [(bbox, person_id) for bbox, person_id, ignored, _ in persons if not ignored]
    bboxes = np.array([bbox for bbox, _ in own]).reshape(-1, 4)
    ignored_bboxes = np.array([bbox for bbox, _, ignored, _ in persons if ignored]).reshape(-1, 4)
    person_ids = [person_id for _, person_id in own]
    return SceneImage(image["id"], bboxes, person_ids, next(iter(cameras), None), ignored_bboxes)


def _load_json(path: str | Path, keys: tuple[str, ...]) -> dict:
    path = check_file(path, f"a json with {' and '.join(keys)}")
    content = read_json_file(path, f"a json with {' and '.join(keys)}")
    for key in keys:
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise InputError(f"{path} has no list {key!r}")
    return content


def _require_keys(entry: dict, keys: tuple[str, ...], where: str) -> None:
    if not isinstance(entry, dict):
        raise InputError(f"{where} is {entry!r}, expected an object with {', '.join(keys)}")
    if missing := [key for key in keys if key not in entry]:
        raise InputError(f"{where} has no {missing[0]!r}: {entry}")


def _bbox(entry: dict, where: str) -> np.ndarray:
    bbox = entry["bbox"]
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise InputError(f"{where}: bbox {bbox!r}, expected [x, y, w, h]")
    if not all(map(is_number, bbox)) or min(bbox[2:]) < 0:
        raise InputError(f"{where}: bbox {bbox!r}, expected [x, y, w, h], finite numbers and with w and h >= 0")
    values = np.array(bbox, dtype=np.float64)
    return np.concatenate([values[:2], values[:2] + values[2:]])


def _person_id(entry: dict, where: str) -> int:
    person_id = -1 if entry.get("person_id") is None else entry["person_id"]
    if not _is_int(person_id) or person_id < -1:
        raise InputError(
            f"{where}: person_id {person_id!r}, expected an integer >= 0 and < 2**63, or -1 for unlabelled"
        )
    return person_id


def _person(annotation: dict, where: str) -> tuple[int, bool]:
    """Identity, -1 for none, and whether it is a region to ignore."""
    person_id, ignored = _person_id(annotation, where), False
    for key in ("iscrowd", "ignore"):
        value = annotation.get(key)
        if value not in (None, 0, 1):
            raise InputError(f"{where}: {key} is {value!r}, expected 0, or 1 for a region to ignore")
        if value and person_id >= 0:
            raise InputError(f"{where}: {key} 1 and person_id {person_id}, but a region to ignore has no identity")
        ignored |= bool(value)
    return person_id, ignored


def labelled_elsewhere(path: str | Path) -> list[str]:
    """List keys of the annotations that may hold identities, such as ``track_id`` and ``attributes.person_id``."""
    found = set()
    with damage_named(path):
        for annotation in _load_json(path, ("annotations",))["annotations"]:
            found.update(_paths(annotation))
    names = {path: path.rpartition(".")[2].lower() for path in found - {"person_id", "image_id", "category_id", "id"}}
    return sorted(path for path, name in names.items() if name == "id" or _IDENTITY.search(name))


def _paths(value: object, path: str = "") -> Iterator[str]:
    """Dotted keys of nested dictionaries; in lists, also the names of ``{"name": ..., "value": ...}``."""
    if isinstance(value, list):
        for part in value:
            yield from _paths(part, path)
            if isinstance(part, dict) and isinstance(part.get("name"), str):
                yield f"{path}.{part['name']}"
    elif isinstance(value, dict):
        for key, part in value.items():
            yield (own := f"{path}.{key}".lstrip("."))
            yield from _paths(part, own)
