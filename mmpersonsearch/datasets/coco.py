"""Data set of COCO's format with identities, for one's own data."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path

import numpy as np

from mmpersonsearch.registry import DATASETS
from mmpersonsearch.structures import AllImages, CrossCamera, SceneImage, SearchProtocol
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import digest_files, write_whole
from mmpersonsearch.utils.own_files import OwnFiles

from .person_search_dataset import PersonSearchDataset
from .readers.coco_json import annotations_json, labelled_elsewhere, queries_json, read_annotations, read_queries
from .readers.files import check_file


@DATASETS.register_module()
class CocoPersonSearchDataset(PersonSearchDataset):
    """Annotations in a COCO json, with identities.

    The annotations' json is COCO's: ``images`` with ``id``, the ``img_id``, and ``file_name``; ``annotations`` with
    ``image_id``, ``bbox`` (x, y, w, h in pixels, fractions are kept) and ``person_id`` >= 0 (-1, null or none:
    unlabelled); ``iscrowd`` 1 marks a region to ignore. The image or its annotations may have a ``camera_id``, a
    number. If the json has ``categories``, only annotations of the class that ``metainfo`` names, by default
    ``person``, are read. The queries' json is ``{"queries": [{"image_id": 1, "bbox": [x, y, w, h], "person_id": 7}]}``.

    Args:
        data_root: Folder of the other paths.
        ann_file: Json of annotations.
        query_file: Json of queries. With it the data set is a test split, without it a training split.
        cross_camera: Galleries are the images of other cameras than the query's, else all but its own.
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
            raise InputError("CocoPersonSearchDataset: ann_file is needed, the json of annotations")
        self.query_file = None if query_file is None else Path(data_root) / query_file
        self.cross_camera = cross_camera
        super().__init__(
            ann_file=str(ann_file),
            data_root=str(data_root),
            data_prefix=data_prefix or dict(img_path=""),
            split="train" if query_file is None else "test",
            **kwargs,
        )

    @cached_property
    def annotations(self) -> tuple[dict[str | int, dict], list[SceneImage]]:
        """See :func:`read_annotations`."""
        return read_annotations(self.ann_file, self.class_name)

    def img_path(self, img_id: str | int) -> str:
        """See :meth:`PersonSearchDataset.img_path`."""
        return str(Path(self.data_prefix["img_path"]) / self.annotations[0][img_id]["file_name"])

    def declared_size(self, img_id: str | int) -> tuple[float, float]:
        """See :meth:`PersonSearchDataset.declared_size`."""
        entry = self.annotations[0][img_id]
        return entry.get("width") or np.nan, entry.get("height") or np.nan

    def read_training(self) -> list[SceneImage]:
        """Read all images, in the order of the json."""
        check_file(self.data_prefix["img_path"] or ".", "the folder of the images")
        return self.annotations[1]

    def keys_like_identities(self) -> list[str]:
        """See :meth:`PersonSearchDataset.keys_like_identities`."""
        return labelled_elsewhere(self.ann_file)

    def read_protocol(self) -> SearchProtocol:
        """Read images and queries, in the order of their json."""
        scenes = self.read_training()
        queries = read_queries(self.query_file, scenes)
        without = [scene.img_id for scene in scenes if scene.camera_id is None]
        if self.cross_camera and without:
            raise InputError(f"{self.ann_file}: image {without[0]!r} has no camera_id, which cross_camera needs")
        galleries = CrossCamera() if self.cross_camera else AllImages()
        data = {"boxes": digest_files([self.ann_file]), "queries": digest_files([self.query_file])}
        return SearchProtocol(scenes, queries, galleries, data)


def convert_to_coco(dataset: PersonSearchDataset, out: Path) -> list[Path]:
    """Write a data set's split as ``<split>.json`` and ``<split>_queries.json`` of :class:`CocoPersonSearchDataset`.

    Boxes and identities are those of the data set's reader, -1 for unlabelled persons. Galleries are not written:
    lists of each query's own, such as CUHK-SYSU's, are lost.

    Returns:
        The files in the folder ``out``; that of queries only for a test split.

    Raises:
        InputError: A file of this name is there that this function did not write.
    """
    protocol = dataset.read_protocol() if dataset.split == "test" else None
    scenes = dataset.read_training() if protocol is None else protocol.images
    annotations = annotations_json(scenes, dataset.img_path)
    queries = None if protocol is None else queries_json(scenes, protocol.queries)
    return write_split(out, dataset.split, annotations, queries)


def write_split(out: Path, split: str, annotations: dict, queries: dict | None) -> list[Path]:
    """Write the contents of a split's files; see :func:`convert_to_coco`."""
    contents = {out / f"{split}.json": annotations}
    if queries is not None:
        contents[out / f"{split}_queries.json"] = queries
    own_files = OwnFiles(out, f"to-coco-{split}")
    own_files.check(*contents)
    with own_files.recording(*contents):
        for path, content in contents.items():
            write_whole(path, json.dumps(content).encode())
    return list(contents)
