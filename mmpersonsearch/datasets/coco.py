"""Person search on one's own data, in COCO's form."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmpersonsearch.registry import DATASETS
from mmpersonsearch.structures import Query, SceneImage

from .person_search_dataset import PersonSearchDataset
from .readers.boxes import has_area
from .readers.checks import check_file, check_unique


@DATASETS.register_module()
class CocoPersonSearchDataset(PersonSearchDataset):
    """Annotations in a COCO json, with identities.

    The annotations' json is COCO's: ``images`` with ``id`` and ``file_name``, ``annotations`` with ``image_id`` and
    ``bbox`` (x, y, w, h in pixels, fractions are kept), and in addition ``person_id`` >= 0 (-1, null or none:
    unlabelled). ``camera_id``, a number, may stand in the image or in its annotations. Of a json with ``categories``
    the annotations are read whose ``category_id`` is that of the one class that ``metainfo`` names, by default
    ``person``; without ``categories`` all are of that class. The queries' json is
    ``{"queries": [{"image_id": 1, "bbox": [x, y, w, h], "person_id": 7}]}``.

    An image's ``img_id`` is its ``id``. Every query's gallery is all images but its own.

    Args:
        data_root: Folder that the other paths are relative to.
        ann_file: Json of annotations.
        query_file: Json of queries. With it the dataset is a test split, without it a training split.
        cross_camera: Galleries hold only images of other cameras than the query's.
        data_prefix: ``dict(img_path=...)``, folder of the images.
        kwargs: Arguments of :class:`PersonSearchDataset`.
    """

    def __init__(
        self,
        data_root: str = "",
        ann_file: str = "",
        query_file: str | None = None,
        cross_camera: bool = False,
        data_prefix: dict | None = None,
        **kwargs,
    ) -> None:
        if not ann_file:
            raise ValueError("CocoPersonSearchDataset: ann_file is needed, the json of annotations")
        self.query_file = None if query_file is None else Path(data_root) / query_file
        self.cross_camera = cross_camera
        self._file_names: dict[str | int, str] = {}
        super().__init__(
            ann_file=str(ann_file),
            data_root=str(data_root),
            data_prefix=data_prefix or dict(img_path=""),
            split="train" if query_file is None else "test",
            **kwargs,
        )

    def img_path(self, img_id: str | int) -> str:
        """Where the image lies; the annotations must have been read before."""
        return str(Path(self.data_prefix["img_path"]) / self._file_names[img_id])

    def load_scenes(self) -> list[SceneImage]:
        """All images, in the order of the json, with its identity numbers."""
        content = _load_json(self.ann_file, ("images", "annotations"))
        check_file(self.data_prefix["img_path"] or ".", "the folder of the images")
        images = [_entry(self.ann_file, "images", *item, ("id", "file_name")) for item in enumerate(content["images"])]
        check_unique([image["id"] for image in images], self.ann_file)
        self._file_names = {image["id"]: image["file_name"] for image in images}
        category_ids = self._category_ids(content)
        keys = ("image_id", "bbox") if category_ids is None else ("image_id", "bbox", "category_id")
        persons = defaultdict(list)
        for i, annotation in enumerate(content["annotations"]):
            where = f"{self.ann_file}, annotations[{i}]"
            _entry(self.ann_file, "annotations", i, annotation, keys)
            if category_ids is not None and annotation["category_id"] not in category_ids:
                continue
            if annotation.get("iscrowd"):
                raise ValueError(f"{where}: iscrowd is {annotation['iscrowd']!r}, expected a box of one object")
            if annotation["image_id"] not in self._file_names:
                raise ValueError(f"{where}: image_id {annotation['image_id']!r} is not among the images")
            persons[annotation["image_id"]].append(
                (_bbox(annotation, where), _person_id(annotation, where), annotation.get("camera_id"))
            )
        return [self._scene(image, persons[image["id"]]) for image in images]

    def _category_ids(self, content: dict) -> set | None:
        """Ids of the searched class; None if the json has no categories."""
        if not content.get("categories"):
            return None
        named = {category["id"]: category["name"] for category in content["categories"]}
        class_name = self._class_name()
        if class_name not in named.values():
            raise ValueError(
                f"{self.ann_file}: metainfo['classes'] names {class_name!r}, "
                f"but categories are {sorted(named.values())}"
            )
        return {category_id for category_id, name in named.items() if name == class_name}

    def load_queries(self) -> list[Query]:
        """The queries, in the order of their json; the annotations must have been read before."""
        queries = _load_json(self.query_file, ("queries",))["queries"]
        if not queries:
            raise ValueError(f"{self.query_file} holds no queries")
        return [self._query(i, query) for i, query in enumerate(queries)]

    def load_galleries(self, scenes: Sequence[SceneImage], queries: Sequence[Query]) -> str:
        """``'all'`` or ``'cross_camera'``; the queries get their images' cameras."""
        cameras = {scene.img_id: scene.camera_id for scene in scenes}
        if self.cross_camera and None in cameras.values():
            missing = next(img_id for img_id, camera in cameras.items() if camera is None)
            raise ValueError(f"{self.ann_file}: image {missing!r} has no camera_id, which cross_camera needs")
        for query in queries:
            query.camera_id = cameras[query.img_id]
        return "cross_camera" if self.cross_camera else "all"

    def annotation_files(self) -> dict[str, list[Path]]:
        """Boxes and queries."""
        return {"boxes": [Path(self.ann_file)], "queries": [self.query_file]}

    def _scene(self, image: dict, persons: list[tuple]) -> SceneImage:
        cameras = {camera for *_, camera in persons} | {image.get("camera_id")}
        cameras.discard(None)
        if len(cameras) > 1:
            raise ValueError(f"{self.ann_file}: image {image['id']!r} has several camera_id: {sorted(cameras)}")
        bboxes = np.array([bbox for bbox, *_ in persons]).reshape(-1, 4)
        person_ids = [person_id for _, person_id, _ in persons]
        return SceneImage(image["id"], bboxes, person_ids, next(iter(cameras), None))

    def _query(self, i: int, query: dict) -> Query:
        where = f"{self.query_file}, queries[{i}]"
        _entry(self.query_file, "queries", i, query, ("image_id", "bbox", "person_id"))
        if query["image_id"] not in self._file_names:
            raise ValueError(f"{where}: image_id {query['image_id']!r} is not among the images of {self.ann_file}")
        bbox, person_id = _bbox(query, where), _person_id(query, where)
        if person_id < 0 or not has_area(bbox[None])[0]:
            raise ValueError(f"{where}: expected a person_id >= 0 and a box with an area, got {query}")
        return Query(query["image_id"], bbox, person_id)


def _load_json(path: str | Path, keys: tuple[str, ...]) -> dict:
    path = check_file(path, f"a json with {' and '.join(keys)}")
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is no json: {error}") from error
    for key in keys:
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise ValueError(f"{path} has no list {key!r}")
    return content


def _entry(path: str | Path, what: str, i: int, entry: dict, keys: tuple[str, ...]) -> dict:
    if missing := [key for key in keys if key not in entry]:
        raise ValueError(f"{path}, {what}[{i}] has no {missing[0]!r}: {entry}")
    return entry


def _bbox(entry: dict, where: str) -> np.ndarray:
    try:
        bbox = np.array(entry["bbox"], dtype=np.float64)
    except (TypeError, ValueError):
        bbox = np.empty(0)
    if bbox.shape != (4,) or not np.isfinite(bbox).all():
        raise ValueError(f"{where}: bbox {entry['bbox']!r}, expected [x, y, w, h]")
    return np.concatenate([bbox[:2], bbox[:2] + bbox[2:]])


def _person_id(entry: dict, where: str) -> int:
    person_id = -1 if entry.get("person_id") is None else entry["person_id"]
    if not isinstance(person_id, int) or person_id < -1:
        raise ValueError(f"{where}: person_id {person_id!r}, expected a whole number >= 0, or -1 for unlabelled")
    return person_id
