"""Annotations: boxes, identities and queries of a config's splits, as the data sets' readers give them."""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from mmdet.datasets import BaseDetDataset
from mmdet.evaluation.functional import bbox_overlaps
from mmengine.dataset import BaseDataset

from mmpersonsearch.registry import DATASETS
from mmpersonsearch.structures import CrossCamera, Listed, SceneImage, SearchProtocol
from mmpersonsearch.utils.faults import ERROR, WARNING, Faults

from ..person_search_dataset import PersonSearchDataset
from ..readers.files import collect_errors, has_area

_CORNERS = "corners x1, y1, x2, y2 in place of x, y, w, h?"
_FEW = 5  # boxes that tell nothing of a set
_IOU = 0.5


@dataclass
class Split:
    """Images and persons of a data set, before anything is skipped.

    Attributes:
        place: Names of the splits, such as ``'val, test'``.
        training: Whether it is trained on.
        img_ids: Of the n images.
        paths: Their files.
        sizes: (n, 2) widths and heights, NaN where unknown.
        image: (N,) index of each person's image.
        bboxes: (N, 4) xyxy in pixels; (N, 0) for crops.
        person_ids: (N,) -1 for unlabelled persons and regions to ignore.
        protocol: Of a test split.
        dataset: Read without its pipeline; crops only.
        data_set: Its name among several that are joined.
        other_paths: Files beside the images that the pipeline reads, such as masks.
        like_identities: Keys of the annotations that may hold identities, where a training split has none.
    """

    place: str
    training: bool
    img_ids: list[str | int]
    paths: list[str]
    sizes: np.ndarray
    image: np.ndarray
    bboxes: np.ndarray
    person_ids: np.ndarray
    protocol: SearchProtocol | None = None
    dataset: BaseDataset | None = None
    data_set: str = ""
    other_paths: Sequence[str] = ()
    like_identities: Sequence[str] = ()

    def identities(self) -> list[int] | list[str]:
        """The sorted numbers of its identities; behind the name of the data set where several are joined."""
        numbers = np.unique(self.person_ids[self.person_ids >= 0]).tolist()
        return [f"{self.data_set} {number}" for number in numbers] if self.data_set else numbers


def read_splits(config: Mapping[str, Any], place: str, training: bool, faults: Faults) -> list[Split]:
    """Read the data set of a data loader's config, or those that it joins; faulty records are skipped and added."""
    joined = config.get("datasets", [config["dataset"]] if "dataset" in config else None)
    if isinstance(joined, Mapping):  # JointPersonSearchDataset
        splits = []
        for name, part in sorted(joined.items()):
            splits += [replace(split, data_set=name) for split in read_splits(part, place, training, faults)]
        return splits
    if joined is not None:
        splits = [split for part in joined for split in read_splits(part, place, training, faults)]
        if training and len({tuple(split.identities()) for split in splits}) > 1:
            what = f"{config['type']} joins data sets of different identities, which it does not keep apart"
            faults.add_message(ERROR, place, f"{what}: use JointPersonSearchDataset")
        return splits
    kind = DATASETS.get(config["type"])
    read = next((f for base, f in _READERS.items() if isinstance(kind, type) and issubclass(kind, base)), None)
    if read is None:
        faults.add_message(WARNING, place, f"annotations of type {config['type']!r} are not checked")
        return []
    splits = []
    with warnings.catch_warnings(record=True) as caught, collect_errors() as errors:
        warnings.simplefilter("always", UserWarning)
        splits = [read(config, place, training)]
    for severity, messages in ((ERROR, errors), (WARNING, [str(w.message) for w in caught])):
        for message in messages:
            faults.add_message(severity, place, message)
            if severity == WARNING:  # the split's second reading, for the run, need not tell it again
                warnings.filterwarnings("ignore", re.escape(message), UserWarning)
    for split in splits:
        if not split.img_ids:
            faults.add_message(ERROR, place, f"{config['type']} in {config.get('data_root', '')!r} has no images")
    return splits


def _read_scenes(config: Mapping[str, Any], place: str, training: bool) -> Split:
    dataset = DATASETS.build({**config, "pipeline": [], "lazy_init": True})
    protocol = None if dataset.split == "train" else dataset.read_protocol()
    scenes: list[SceneImage] = dataset.read_training() if protocol is None else protocol.images
    img_ids, bboxes = [scene.img_id for scene in scenes], [np.r_[one.bboxes, one.ignored_bboxes] for one in scenes]
    person_ids = [np.r_[one.person_ids, np.full(len(one.ignored_bboxes), -1)] for one in scenes]
    nobody = training and not any((one >= 0).any() for one in person_ids)
    return Split(
        place,
        training,
        img_ids,
        [dataset.img_path(img_id) for img_id in img_ids],
        np.array([dataset.declared_size(img_id) for img_id in img_ids], dtype=np.float64).reshape(-1, 2),
        np.repeat(np.arange(len(scenes)), list(map(len, bboxes))),
        np.concatenate([np.empty((0, 4)), *bboxes]),
        np.concatenate([np.empty(0, np.int64), *person_ids]),
        protocol,
        like_identities=dataset.keys_like_identities() if nobody else (),
    )


def _read_crops(config: Mapping[str, Any], place: str, training: bool) -> Split:
    try:
        dataset = DATASETS.build({**config, "pipeline": []})
    except FileNotFoundError as error:
        if "ann_file" not in config:  # not MMDetection's ReIDDataset
            raise
        raise FileNotFoundError(f"{error}; mmpersonsearch crop makes crops and their list") from error
    crops = [dataset.get_data_info(i) for i in range(len(dataset))]
    paths = [crop["img_path"] for crop in crops]
    labels = np.array([int(crop.get("gt_label", -1)) for crop in crops], np.int64)
    sizes, number = np.full((len(crops), 2), np.nan), np.arange(len(crops))
    arrays = sizes, number, np.empty((len(crops), 0)), labels
    others = [path for crop in crops for path in crop.get("other_paths", ())]
    return Split(place, training, paths, paths, *arrays, dataset=dataset, other_paths=others)


# The first class that fits: other data sets of boxes are not checked, those without boxes are crops.
_READERS = {PersonSearchDataset: _read_scenes, BaseDetDataset: None, BaseDataset: _read_crops}


def check_boxes(split: Split, faults: Faults) -> None:
    """Add boxes without area, beyond the image, twice in an image, and an identity's second box in an image."""
    bboxes, ids = split.bboxes, split.person_ids
    if not bboxes.size:
        return

    def add(kind: str, which: np.ndarray) -> None:
        for i in np.flatnonzero(which):
            box = np.round(bboxes[i], 1).tolist()
            person = "" if ids[i] < 0 else f" of person {ids[i]}"
            faults.add(WARNING, split.place, kind, f"{box}{person} in {split.img_ids[split.image[i]]!r}")

    area = has_area(bboxes)
    add("boxes x1, y1, x2, y2 without area, which are skipped", ~area)
    width, height = (bboxes[:, 2:] - bboxes[:, :2]).T
    as_corners = area & (width > bboxes[:, 0]) & (height > bboxes[:, 1])
    with np.errstate(invalid="ignore"):  # sizes may be unknown
        sizes = split.sizes[split.image]
        beyond = area & ((bboxes[:, 2:] > sizes + 1) | (bboxes[:, :2] < -1)).any(axis=1)
    if as_corners.mean() > 0.8 and len(bboxes) >= _FEW:
        add(f"boxes that extend further than they begin, {as_corners.mean():.0%} of all: {_CORNERS}", as_corners)
    else:
        hint = f": {_CORNERS}" if beyond.mean() > 0.1 else ""
        add(f"boxes beyond the image, {beyond.mean():.0%} of all{hint}", beyond)
    twice = area & _repeated(np.column_stack([split.image, bboxes]))
    add("boxes that an image has twice", twice)
    add("second boxes of one person in an image", area & ~twice & (ids >= 0) & _repeated_persons(split, area & ~twice))


def _repeated(rows: np.ndarray) -> np.ndarray:
    """Which of the (N, K) rows have occurred before."""
    _, first = np.unique(rows, axis=0, return_index=True)
    return ~np.isin(np.arange(len(rows)), first)


def _repeated_persons(split: Split, counted: np.ndarray) -> np.ndarray:
    rows = np.column_stack([split.image, split.person_ids])
    rows[~counted] = -1 - np.arange(len(rows))[~counted, None]  # unlike all others
    return _repeated(rows)


def check_identities(split: Split, faults: Faults) -> None:
    """Add a training split without identities, and identities of a single image."""
    labelled = split.person_ids >= 0
    if split.img_ids and not labelled.any():
        what = f"none of the {len(labelled)} persons has an identity" if len(labelled) else "nobody is annotated"
        hint = f"; keys that look like identities: {', '.join(split.like_identities)}" if split.like_identities else ""
        faults.add_message(ERROR, split.place, f"{what}{hint}")
    pairs = np.unique(np.column_stack([split.person_ids, split.image])[labelled], axis=0)
    ids, counts = np.unique(pairs[:, 0], return_counts=True)
    for person_id in ids[counts == 1].tolist():
        faults.add(WARNING, split.place, "identities in a single image, which teach little", str(person_id))


def check_queries(split: Split, faults: Faults) -> None:
    """Add queries on nobody, beside their person, and of a person that their gallery does not show."""
    protocol, images = split.protocol, defaultdict(set)
    for i in np.flatnonzero(split.person_ids >= 0):
        images[int(split.person_ids[i])].add(int(split.image[i]))
    for number, query in enumerate(protocol.queries):
        own, name = protocol.image_index[query.img_id], f"query {number} of person {query.person_id}"
        if query.person_id not in images:
            faults.add(WARNING, split.place, "queries of a person who has no box in the split", name)
            continue
        scene = protocol.images[own]
        boxes = scene.bboxes[scene.person_ids == query.person_id]
        iou = float(bbox_overlaps(query.bbox[None], boxes).max()) if len(boxes) else 0.0
        if iou < _IOU:
            kind = f"queries whose box overlaps no box of their person in the image (IoU < {_IOU})"
            faults.add(WARNING, split.place, kind, f"{name} in {query.img_id!r} (IoU {iou:.2f})")
        for gallery in _galleries_without(protocol, number, images[query.person_id] - {own}):
            faults.add(WARNING, split.place, f"queries whose person is nowhere in {gallery}", f"{name}")


def _galleries_without(protocol: SearchProtocol, number: int, images: set[int]) -> Sequence[str]:
    """Names of the galleries in which a query cannot be found; ``images`` show the person."""
    galleries, query = protocol.galleries, protocol.queries[number]
    if isinstance(galleries, Listed):
        sizes = [size for size, lists in galleries.lists.items() if not len(lists[number].present)]
        return [f"their gallery of {size} images" for size in sizes]
    if isinstance(galleries, CrossCamera):
        images = {i for i in images if protocol.images[i].camera_id != query.camera_id}
    return [] if images else ["their gallery"]
