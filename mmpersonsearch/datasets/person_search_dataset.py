"""Base of the person search data sets."""

from __future__ import annotations

import copy
import warnings
from abc import ABCMeta, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from mmdet.datasets import BaseDetDataset

from mmpersonsearch.registry import TRANSFORMS
from mmpersonsearch.structures import SceneImage, SearchProtocol
from mmpersonsearch.utils.errors import InputError

from .readers.files import has_area


class PersonSearchDataset(BaseDetDataset, metaclass=ABCMeta):
    """Scene images with persons, some of whom have an identity; the test split also has queries.

    ``metainfo=dict(classes=('tattoo',))`` names another class than persons; keys such as ``person_id`` stay.

    A subclass defines :meth:`read_training`, :meth:`read_protocol` and :meth:`img_path`, with the data set's own
    identity numbers, which may be any integers >= 0.

    An entry of the training split holds ``img_id``, ``img_path``, ``camera_id`` and ``instances``, each with ``bbox``
    (xyxy, not clipped), ``bbox_label`` 0, ``ignore_flag`` (1: to ignore) and ``person_id``: contiguous, 0 to
    ``metainfo['num_ids']`` - 1 in the order of the data set's own numbers (``metainfo['identities']``), -1 for an
    unlabelled person. The test split keeps its own numbers; its entries also hold ``query_instances``, a dict of
    ``bboxes`` (Q, 4) float32 and ``query_ids`` (Q,) int64, indices into the queries of ``metainfo['search_protocol']``
    (:class:`mmpersonsearch.structures.SearchProtocol`), whose images are the entries, in the same order.

    Args:
        split: ``'train'`` or ``'test'``.
        filter_cfg: ``dict(filter_empty_gt=True)`` skips images without persons in training; by default they are kept,
            but for those of regions to ignore alone: MMDetection's assigners would take these for background.
        pipeline: Transforms or their configs.
        kwargs: Arguments of :class:`mmdet.datasets.BaseDetDataset`.

    Raises:
        FileNotFoundError: A folder or file of the data set is missing.
        InputError: An argument or the content of a file is wrong; the message names it.
    """

    METAINFO = dict(classes=("person",), palette=[(220, 20, 60)])

    def __init__(
        self,
        *args,
        split: str = "train",
        filter_cfg: dict | None = None,
        pipeline: Sequence[dict | Callable] = (),
        **kwargs,
    ) -> None:
        if split not in ("train", "test"):
            raise InputError(f"{type(self).__name__}: split must be 'train' or 'test', got {split!r}")
        if unknown := set(filter_cfg or ()) - {"filter_empty_gt"}:
            raise InputError(f"{type(self).__name__}: filter_cfg knows only 'filter_empty_gt', got {sorted(unknown)}")
        if "gallery_sizes" in kwargs:
            raise InputError(
                f"{type(self).__name__} has no gallery_sizes: only data sets with galleries of several sizes have "
                "them, such as CUHKSYSUDataset"
            )
        if split == "test" and kwargs.get("indices") is not None:
            raise InputError(f"{type(self).__name__}: indices: a part of the test split would lack gallery images")
        self.split = split
        kwargs.setdefault("test_mode", split == "test")
        # MMEngine would look the names up from its root, which finds ours only where a default scope is set.
        pipeline = [TRANSFORMS.build(step) if isinstance(step, dict) else step for step in pipeline]
        super().__init__(*args, filter_cfg=filter_cfg, pipeline=pipeline, **kwargs)

    @abstractmethod
    def read_training(self) -> list[SceneImage]:
        """Read the images of the training split with their persons."""

    @abstractmethod
    def read_protocol(self) -> SearchProtocol:
        """Read the test split: images, queries and galleries.

        ``data`` names the fingerprint of each kind of annotation file by its content, such as
        ``{'queries': 'sha256:...'}``; the data set's name and class are filled in later.
        """

    @abstractmethod
    def img_path(self, img_id: str | int) -> str:
        """Return the file of an image of the split."""

    def declared_size(self, img_id: str | int) -> tuple[float, float]:
        """Return an image's width and height by the annotations, NaN where they do not tell."""
        return np.nan, np.nan

    def keys_like_identities(self) -> list[str]:
        """List the keys of the annotations that may hold identities where the reader does not look."""
        return []

    @property
    def metainfo(self) -> dict:
        """A copy of the meta information; the search protocol in it, which may be large, is not copied."""
        protocol = self._metainfo.get("search_protocol")
        return copy.deepcopy(self._metainfo, {id(protocol): protocol})

    def load_data_list(self) -> list[dict]:
        """Read the split; see the class for the form of the entries."""
        class_name = self.class_name
        if self.split == "train":
            scenes = self._with_contiguous_ids(self._checked(self.read_training()))
            return [self._entry(scene) for scene in scenes]
        protocol = self.read_protocol()
        data = {"data_set": type(self).__name__, **protocol.data}
        protocol = replace(protocol, images=self._checked(protocol.images), data=data, class_name=class_name)
        self._metainfo["search_protocol"] = protocol
        query_ids, bboxes = defaultdict(list), defaultdict(list)
        for i, query in enumerate(protocol.queries):
            query_ids[query.img_id].append(i)
            bboxes[query.img_id].append(query.bbox)
        entries = [self._entry(scene) for scene in protocol.images]
        for entry in entries:
            entry["query_instances"] = dict(
                bboxes=np.array(bboxes[entry["img_id"]], dtype=np.float32).reshape(-1, 4),
                query_ids=np.array(query_ids[entry["img_id"]], dtype=np.int64),
            )
        return entries

    def filter_data(self) -> list[dict]:
        """Skip images without persons in training if ``filter_cfg`` says so; see the class."""
        if self.split == "test":
            return self.data_list
        counts = [sum(not one["ignore_flag"] for one in entry["instances"]) for entry in self.data_list]
        skips_empty = (self.filter_cfg or {}).get("filter_empty_gt")
        if self.data_list and not any(counts):
            what = "filter_empty_gt leaves none" if skips_empty else "nobody is annotated in any"
            file = f" of {self.ann_file}" if self.ann_file else ""
            raise InputError(f"{self._name()}: {what} of {len(self.data_list)} images{file}")
        pairs = zip(self.data_list, counts)
        return [entry for entry, count in pairs if count or not (skips_empty or entry["instances"])]

    def _entry(self, scene: SceneImage) -> dict:
        instances = [
            dict(bbox=bbox, bbox_label=0, ignore_flag=0, person_id=person_id)
            for bbox, person_id in zip(scene.bboxes.tolist(), scene.person_ids.tolist())
        ]
        instances += [
            dict(bbox=bbox, bbox_label=0, ignore_flag=1, person_id=-1) for bbox in scene.ignored_bboxes.tolist()
        ]
        img_path = self.img_path(scene.img_id)
        return dict(img_id=scene.img_id, img_path=img_path, camera_id=scene.camera_id, instances=instances)

    def _checked(self, scenes: list[SceneImage]) -> list[SceneImage]:
        """Skip boxes without area; warn of these and of images that show an identity more than once."""
        kept = [has_area(scene.bboxes) for scene in scenes]
        if empty := [scene.img_id for scene, keep in zip(scenes, kept) for _ in range((~keep).sum())]:
            warnings.warn(
                f"{self._name()}: {len(empty)} boxes without area skipped, the first in image {empty[0]!r}",
                stacklevel=2,
            )
        scenes = [
            replace(
                scene,
                bboxes=scene.bboxes[keep],
                person_ids=scene.person_ids[keep],
                ignored_bboxes=scene.ignored_bboxes[has_area(scene.ignored_bboxes)],
            )
            for scene, keep in zip(scenes, kept)
        ]
        labelled = [(scene.img_id, scene.person_ids[scene.person_ids >= 0]) for scene in scenes]
        if repeated := [img_id for img_id, person_ids in labelled if len(set(person_ids.tolist())) < len(person_ids)]:
            warnings.warn(
                f"{self._name()}: {len(repeated)} images show an identity more than once, "
                f"the first is {repeated[0]!r}; all its boxes are kept",
                stacklevel=2,
            )
        return scenes

    def _with_contiguous_ids(self, scenes: list[SceneImage]) -> list[SceneImage]:
        own = np.unique(np.concatenate([np.empty(0, np.int64), *(scene.person_ids for scene in scenes)]))
        own = own[own >= 0]
        if not len(own) and any(len(scene.bboxes) for scene in scenes):
            seen = self.keys_like_identities()
            hint = f"; keys that look like identities: {', '.join(seen)}" if seen else ""
            raise InputError(
                f"{self._name()}: {self.ann_file or 'its'} annotations label nobody, expected a person_id{hint}"
            )
        self._metainfo.update(num_ids=len(own), identities=own.tolist())
        return [
            replace(scene, person_ids=np.where(scene.person_ids >= 0, np.searchsorted(own, scene.person_ids), -1))
            for scene in scenes
        ]

    @property
    def class_name(self) -> str:
        """The one class that is searched for; InputError where ``metainfo['classes']`` does not name just one."""
        classes = self._metainfo["classes"]
        if isinstance(classes, str) or len(classes) != 1:
            raise InputError(f"{type(self).__name__}: metainfo['classes'] must name the one class, got {classes!r}")
        return classes[0]

    def _name(self) -> str:
        return f"{type(self).__name__} {self.split} split in {self.data_root!r}"
