"""PRW, "Person Re-identification in the Wild" (Zheng et al., CVPR 2017)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from mmpersonsearch.registry import DATASETS
from mmpersonsearch.structures import AllImages, CrossCamera, ImageList, Listed, Query, SceneImage, SearchProtocol
from mmpersonsearch.utils.errors import InputError, damage_named
from mmpersonsearch.utils.files import digest_files

from .person_search_dataset import PersonSearchDataset
from .readers.files import check_file, check_unique, has_area, one_record, read_lines, read_xywh
from .readers.mat_files import load_names, load_variable

# Older versions of the data set use the other names.
_BOX_KEYS = ("box_new", "anno_file", "anno_previous")
_UNLABELLED = -2
PRW_MINI = "https://github.com/munjalbharti/Query-guided-End-to-End-Person-Search"


@DATASETS.register_module()
class PRWDataset(PersonSearchDataset):
    """PRW: 11,816 frames of six cameras.

    ``data_root`` holds ``frames/<frame>.jpg``, ``annotations/<frame>.jpg.mat``, ``frame_train.mat``,
    ``frame_test.mat`` and the file of queries. 5,704 training frames with 483 identities (the numbers 1 to 478, 480 to
    483 and 932; papers say 482), 6,112 test frames, 2,057 queries. An image's ``img_id`` is its frame's name without
    ``.jpg``.

    Args:
        data_root: Folder of the data set.
        split: ``'train'`` or ``'test'``.
        query_file: File of queries, ``id x y w h frame`` per line, in ``data_root`` or with a path of its own.
            PRW-mini (Munjal et al., CVPR 2019) is PRW with such a file of 30 lines. Its authors truncate x, y, w and h
            before they add width and height; here the sum is truncated, as in all of PRW, one pixel more at most.
        cross_camera: Galleries are the test frames of other cameras than the query's, else all but its own.
        gallery_file: File of galleries, like ``query_file``: in the line of each query the frames that it is searched
            in, separated by blanks. None gives galleries by ``cross_camera``.
        kwargs: Arguments of :class:`PersonSearchDataset`.
    """

    def __init__(
        self,
        data_root: str,
        split: str = "train",
        query_file: str = "query_info.txt",
        cross_camera: bool = False,
        gallery_file: str | None = None,
        **kwargs,
    ) -> None:
        if cross_camera and gallery_file is not None:
            raise InputError("PRWDataset: cross_camera and gallery_file exclude each other")
        self.query_file = Path(data_root) / query_file
        self.gallery_file = None if gallery_file is None else Path(data_root) / gallery_file
        self.cross_camera = cross_camera
        super().__init__(data_root=str(data_root), split=split, **kwargs)

    def img_path(self, img_id: str) -> str:
        """See :meth:`PersonSearchDataset.img_path`."""
        return str(Path(self.data_root) / "frames" / f"{img_id}.jpg")

    def read_training(self) -> list[SceneImage]:
        """Read the training frames, in the order of ``frame_train.mat``."""
        return self._read_scenes(self._read_frames("train"))

    def read_protocol(self) -> SearchProtocol:
        """Read test frames and queries, in the order of ``frame_test.mat`` and of the file of queries."""
        frames = self._read_frames("test")
        scenes = self._read_scenes(frames)
        known = {scene.img_id: None for scene in scenes}  # all frames, unless errors are collected
        queries = [query for query in _read_queries(self.query_file, set(frames)) if query.img_id in known]
        data = {
            "images": digest_files([self._index_file("test")]),
            "boxes": digest_files(map(self._box_file, known)),
            "queries": digest_files([self.query_file]),
        }
        galleries = CrossCamera() if self.cross_camera else AllImages()
        if self.gallery_file is not None:
            galleries = _read_galleries(self.gallery_file, queries, scenes)
            data["galleries"] = digest_files([self.gallery_file])
        return SearchProtocol(scenes, queries, galleries, data)

    def _read_frames(self, split: str) -> list[str]:
        for folder in ("", "frames", "annotations"):
            check_file(Path(self.data_root) / folder, f"PRW's folder {folder}".rstrip())
        frames = load_names(self._index_file(split), f"img_index_{split}")
        check_unique(frames, self._index_file(split))
        return frames

    def _index_file(self, split: str) -> Path:
        return Path(self.data_root) / f"frame_{split}.mat"

    def _box_file(self, frame: str) -> Path:
        return Path(self.data_root) / "annotations" / f"{frame}.jpg.mat"

    def _read_scenes(self, frames: list[str]) -> list[SceneImage]:
        scenes = []
        for frame in frames:
            with one_record(), damage_named(self._box_file(frame)):
                scenes.append(self._read_scene(frame))
        return scenes

    def _read_scene(self, frame: str) -> SceneImage:
        path = self._box_file(frame)
        rows = load_variable(path, _BOX_KEYS)
        if rows.size == 0:
            rows = np.empty((0, 5))
        if rows.ndim != 2 or rows.shape[1] != 5 or not np.isfinite(rows.astype(np.float64)).all():
            raise InputError(f"{path}: expected rows of five finite numbers id, x, y, w, h; shape {rows.shape}")
        person_ids = rows[:, 0].astype(np.int64)
        if (person_ids < _UNLABELLED).any():
            raise InputError(f"{path}: identity {person_ids.min()}, expected >= 0 or {_UNLABELLED} for unlabelled")
        return SceneImage(frame, read_xywh(rows[:, 1:]), np.maximum(person_ids, -1), _camera_of(frame))


def _read_queries(path: Path, frames: set[str]) -> list[Query]:
    origin = f"; PRW-mini's is in {PRW_MINI}" if "mini" in path.name else ""
    check_file(path, f"queries, 'id x y w h frame' per line{origin}")
    lines = enumerate(read_lines(path), start=1)
    queries = []
    for number, line in lines:
        if line.strip():
            with one_record():
                queries.append(_parse_query(line.strip(), f"{path}, line {number}", frames))
    if not queries:
        raise InputError(f"{path} holds no queries, expected 'id x y w h frame' per line")
    return queries


def _parse_query(line: str, place: str, frames: set[str]) -> Query:
    try:
        person_id, *box, frame = line.split()
        person_id, box = int(person_id), np.array(box, dtype=np.float64)
    except ValueError:
        person_id, box, frame = -1, np.empty(0), ""
    if len(box) != 4 or person_id < 0 or not np.isfinite(box).all():
        raise InputError(f"{place}: {line!r}, expected 'id x y w h frame'")
    bbox = read_xywh(box)
    if not has_area(bbox)[0]:
        raise InputError(f"{place}: {line!r}: the box has no area")
    frame = frame.removesuffix(".jpg")
    if frame not in frames:
        raise InputError(f"{place}: frame {frame!r} is not among the test frames of frame_test.mat")
    return Query(frame, bbox[0], person_id, _camera_of(frame))


def _read_galleries(path: Path, queries: list[Query], scenes: list[SceneImage]) -> Listed:
    """Read the frames of each query's gallery; the size is the longest one's."""
    check_file(path, "galleries, the names of the frames in the line of each query")
    lines = [line.split() for line in read_lines(path) if line.strip()]
    if len(lines) != len(queries):
        raise InputError(f"{path} has {len(lines)} lines, expected one for each of the {len(queries)} queries")
    places = {scene.img_id: i for i, scene in enumerate(scenes)}
    lists = []
    for number, (query, names) in enumerate(zip(queries, lines), start=1):
        frames = [name.removesuffix(".jpg") for name in names]
        if wrong := [name for name in frames if name not in places or name == query.img_id]:
            what = "the query's own" if wrong[0] in places else "not among the test frames"
            raise InputError(f"{path}, line {number}: frame {wrong[0]!r} is {what}")
        if len(set(frames)) < len(frames):
            raise InputError(f"{path}, line {number}: frame {max(frames, key=frames.count)!r} is listed twice")
        found = [np.flatnonzero(scenes[places[name]].person_ids == query.person_id) for name in frames]
        present = [k for k, rows in enumerate(found) if len(rows)]
        boxes = [scenes[places[frames[k]]].bboxes[found[k][0]] for k in present]
        lists.append(ImageList([places[name] for name in frames], present, boxes))
    return Listed({max(map(len, lines)): lists})


def _camera_of(frame: str) -> int:
    match = re.match(r"c(\d+)s", frame)
    if not match:
        raise InputError(f"PRW: frame {frame!r} does not name its camera, expected a name like 'c1s1_000151'")
    return int(match.group(1))
