"""CUHK-SYSU, "Joint Detection and Identification Feature Learning for Person Search" (Xiao et al., CVPR 2017)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from mmpersonsearch.registry import DATASETS
from mmpersonsearch.structures import ImageList, Listed, Query, SceneImage, SearchProtocol
from mmpersonsearch.utils.errors import InputError, damage_named
from mmpersonsearch.utils.files import digest_files

from .person_search_dataset import PersonSearchDataset
from .readers.cuhk_galleries import GalleryRecord, read_galleries
from .readers.files import check_file, check_unique, one_record, read_xywh
from .readers.mat_files import load_names, load_variable, read_text, require_fields

# A person's box as in the files, by which identities are assigned: image name, x, y, w, h.
_Place = tuple[str, int, int, int, int]


@DATASETS.register_module()
class CUHKSYSUDataset(PersonSearchDataset):
    """CUHK-SYSU: 18,184 photos and film stills.

    ``data_root`` holds ``Image/SSM/*.jpg``, ``annotation/Images.mat``, ``annotation/pool.mat`` and, in
    ``annotation/test/train_test/``, ``Train.mat`` and ``TestG50.mat`` to ``TestG4000.mat``. 11,206 training images with
    5,532 identities, 6,978 test images, 2,900 queries. An image's ``img_id`` is its file name.

    The training split is all images that are not in the pool, sorted by name. The test split is the pool, followed by
    those images of queries and galleries that the pool lacks. Identities are numbered in the order of the numbers in
    their names (``p12`` before ``p101``).

    Each query has a gallery of its own in each size. A person is labelled in the test split if a query or one of these
    galleries points to it.

    Args:
        data_root: Folder of the data set.
        split: ``'train'`` or ``'test'``.
        gallery_sizes: Sizes of galleries: 50, 100, 500, 1000, 2000, 4000. The first is the main one.
        kwargs: Arguments of :class:`PersonSearchDataset`.
    """

    def __init__(self, data_root: str, split: str = "train", gallery_sizes: Sequence[int] = (100,), **kwargs) -> None:
        self.gallery_sizes = tuple(gallery_sizes)
        if not self.gallery_sizes:
            raise InputError("CUHKSYSUDataset: gallery_sizes is empty, expected for example (100,)")
        super().__init__(data_root=str(data_root), split=split, **kwargs)

    def img_path(self, img_id: str) -> str:
        """See :meth:`PersonSearchDataset.img_path`."""
        return str(Path(self.data_root) / "Image" / "SSM" / img_id)

    def read_training(self) -> list[SceneImage]:
        """Read the images that are not in the pool, sorted by name."""
        with damage_named(self._annotation("")):
            boxes, pool = self._read_boxes_and_pool()
            return self._label(sorted(set(boxes) - set(pool)), boxes, self._read_train_persons())

    def read_protocol(self) -> SearchProtocol:
        """Read the pool, and each query's own gallery of each size."""
        with damage_named(self._annotation("")):
            return self._read_test()

    def _read_test(self) -> SearchProtocol:
        boxes, pool = self._read_boxes_and_pool()
        known = list(boxes)
        records = self._read_records(known)
        main = records[self.gallery_sizes[0]]
        numbers = _number_identities([record.idname for record in main])
        names = self._test_names(pool, known, records)
        scenes = self._label(names, boxes, _labelled_persons(known, records, numbers))
        queries = [Query(r.image, read_xywh(r.xywh)[0], numbers[r.idname]) for r in main]
        position = {name: i for i, name in enumerate(names)}
        to_test = np.array([position.get(name, -1) for name in known], dtype=np.int32)
        lists = {
            size: [ImageList(to_test[r.gallery], r.present, read_xywh(r.true_xywh)) for r in of_size]
            for size, of_size in records.items()
        }
        files = {"boxes": "Images.mat", "images": "pool.mat"}
        files.update({f"gallery {size}": f"test/train_test/TestG{size}.mat" for size in records})
        data = {what: digest_files([self._annotation(name)]) for what, name in files.items()}
        return SearchProtocol(scenes, queries, Listed(lists), data)

    def _read_boxes_and_pool(self) -> tuple[dict[str, np.ndarray], list[str]]:
        """(N, 4) integer x, y, w, h of all persons of each image, and the names of the pool's images."""
        for folder in ("", "Image/SSM"):
            check_file(Path(self.data_root) / folder, f"CUHK-SYSU's folder {folder}".rstrip())
        path = self._annotation("Images.mat")
        images = load_variable(path, "Img").ravel()
        require_fields(images, ("imname", "box"), f"{path}, Img")
        names = [read_text(image["imname"], f"{path}, Img({i})") for i, image in enumerate(images, start=1)]
        check_unique(names, path)
        boxes = dict.fromkeys(names, np.empty((0, 4), dtype=np.int64))
        for name, image in zip(names, images):
            with one_record():
                boxes[name] = _all_boxes(image["box"], f"{path}, {name}")
        pool_file = self._annotation("pool.mat")
        pool = load_names(pool_file, "pool")
        check_unique(pool, pool_file)
        if unknown := [name for name in pool if name not in boxes]:
            raise InputError(f"{pool_file}: image {unknown[0]!r} is not in Images.mat")
        return boxes, pool

    def _annotation(self, name: str) -> Path:
        return Path(self.data_root) / "annotation" / name

    def _read_train_persons(self) -> dict[_Place, int]:
        path = self._annotation("test/train_test/Train.mat")
        persons = []
        for i, cell in enumerate(load_variable(path, "Train").ravel(), start=1):
            where = f"{path}, Train{{{i}}}"
            # MATLAB's cell array of structs comes as an array of arrays, a struct array as one of records.
            person = cell.ravel()[0] if isinstance(cell, np.ndarray) and cell.size else cell
            require_fields(person, ("idname", "scene"), where)
            idname, scenes = read_text(person["idname"], where), person["scene"].ravel()
            require_fields(scenes, ("imname", "idlocate"), f"{where}.scene")
            persons += [(_place(read_text(s["imname"], where), _box(s["idlocate"], where)), idname) for s in scenes]
        numbers = _number_identities([idname for _, idname in persons])
        return {place: numbers[idname] for place, idname in persons}

    def _read_records(self, names: list[str]) -> dict[int, list[GalleryRecord]]:
        """The queries with their galleries of each size."""
        records = {}
        for size in self.gallery_sizes:
            path = self._annotation(f"test/train_test/TestG{size}.mat")
            records[size] = list(read_galleries(path, f"TestG{size}", names))
            main = self.gallery_sizes[0]
            first, own = ([(r.idname, r.image, *r.xywh) for r in records[s]] for s in (main, size))
            if first != own:
                raise InputError(f"{path}: its queries are not those of TestG{main}.mat")
        return records

    def _test_names(self, pool: list[str], known: list[str], records: dict[int, list[GalleryRecord]]) -> list[str]:
        """The pool, followed by the queries' images and those of galleries that it lacks."""
        used = dict.fromkeys([*pool, *(record.image for record in records[self.gallery_sizes[0]])])
        if unknown := set(used) - set(known):
            raise InputError(f"TestG{self.gallery_sizes[0]}.mat: query image {min(unknown)!r} is not in Images.mat")
        in_galleries = np.zeros(len(known), dtype=bool)
        for record in chain(*records.values()):
            in_galleries[record.gallery] = True
        return list(dict.fromkeys([*used, *(known[i] for i in np.flatnonzero(in_galleries))]))

    def _label(self, names: list[str], boxes: dict[str, np.ndarray], persons: dict[_Place, int]) -> list[SceneImage]:
        scenes, found = [], set()
        for name in names:
            places = [_place(name, box) for box in boxes[name]]
            found.update(places)
            person_ids = np.array([persons.get(place, -1) for place in places], dtype=np.int64)
            scenes.append(SceneImage(name, read_xywh(boxes[name]), person_ids))
        if lost := [place for place in persons if place not in found]:
            warnings.warn(
                f"{self._name()}: {len(lost)} labelled persons have no box in Images.mat and are skipped, "
                f"the first at x, y, w, h {lost[0][1:]} in image {lost[0][0]!r}",
                stacklevel=2,
            )
        return scenes


def _labelled_persons(
    known: list[str], records: dict[int, list[GalleryRecord]], numbers: dict[str, int]
) -> dict[_Place, int]:
    """Identities of the persons that queries and galleries point to."""
    main = next(iter(records.values()))
    persons = {_place(record.image, record.xywh): numbers[record.idname] for record in main}
    for record in chain(*records.values()):
        for i, xywh in zip(record.gallery[record.present], record.true_xywh):
            persons[_place(known[i], xywh)] = numbers[record.idname]
    return persons


def _number_identities(idnames: Sequence[str]) -> dict[str, int]:
    """0, 1, 2... for the names in the order of the first number in them, then of the names."""
    first_number = {idname: int(next(iter(re.findall(r"\d+", idname)), -1)) for idname in idnames}
    return {idname: i for i, idname in enumerate(sorted(first_number, key=lambda name: (first_number[name], name)))}


def _place(name: str, xywh: np.ndarray) -> _Place:
    return (name, *(int(number) for number in xywh))


def _box(value: np.ndarray, where: str) -> np.ndarray:
    box = np.asarray(value).ravel()
    if box.shape != (4,) or not np.isfinite(box.astype(np.float64)).all():
        raise InputError(f"{where}: idlocate {box.tolist()}, expected x, y, w, h")
    return box.astype(np.int64)


def _all_boxes(persons: np.ndarray, where: str) -> np.ndarray:
    if persons.size == 0:
        return np.empty((0, 4), dtype=np.int64)
    require_fields(persons, ("idlocate",), f"{where}.box")
    return np.array([_box(person["idlocate"], where) for person in persons.ravel()])
