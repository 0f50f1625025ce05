"""Indexing of an archive: pictures and videos become rows of a gallery."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from mmdet.structures import DetDataSample
from mmengine.dist import get_rank, get_world_size
from PIL import Image
from rich.progress import track

from mmpersonsearch.evaluation.provenance import describe_versions
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.media import list_items, split_frame

from .gallery import Gallery
from .gallery_rows import Scene
from .ranks import in_all_ranks, in_rank_0

Predict = Callable[[Iterable[str], int], Iterator["DetDataSample | Exception"]]
FLUSH = 10_000  # persons, after which Milvus Lite writes its files
_EXIF_TIMES = ((0x8769, 0x9003), (None, 0x0132))  # DateTimeOriginal of the Exif block, DateTime


@dataclass
class IndexReport:
    """What an indexing did.

    Attributes:
        indexed: Pictures that were added.
        known: Pictures that the gallery had already.
        persons: Persons that were added.
        skipped: Reason by file that could not be read, or not to its end.
    """

    indexed: int = 0
    known: int = 0
    persons: int = 0
    skipped: dict[str, str] = field(default_factory=dict)


class CameraAndTime:
    """Camera and time of a picture, from its path.

    Args:
        camera: ``'folder'``, the name of the file's folder, or a regular expression that is looked for in the path
            relative to the root: its first group, else the whole match. None for no cameras.
        time_format: ``strptime``'s format of the file's name without its ending; None for EXIF's time. Of a video, the
            start.

    Raises:
        InputError: ``camera`` is no regular expression.
    """

    def __init__(self, camera: str | None = None, time_format: str | None = None) -> None:
        self.time_format = time_format
        try:
            self.pattern = None if camera in (None, "folder") else re.compile(camera)
        except re.error as error:
            raise InputError(f"camera {camera!r} is neither 'folder' nor a regular expression: {error}") from None
        self.of_folder = camera == "folder"

    def camera(self, image: str) -> str:
        """Return the camera of a path relative to the root; empty where there is none."""
        if self.of_folder:
            return os.path.basename(os.path.dirname(image))
        match = self.pattern and self.pattern.search(image)
        return (match[1] if match.groups() else match[0]) if match else ""

    def time(self, path: str) -> float | None:
        """Return the time of a picture in seconds since 1970, as if its clock showed UTC; of a frame see the class.

        Raises:
            InputError: The name has not the format.
        """
        path, second = split_frame(path)
        start = None
        if self.time_format is not None:
            try:
                start = datetime.strptime(Path(path).stem, self.time_format)
            except ValueError:
                raise InputError(f"{path}: the name has not the time format {self.time_format!r}") from None
        elif second is None:
            start = _exif_time(path)
        seconds = None if start is None else start.replace(tzinfo=timezone.utc).timestamp()
        return seconds if second is None else (seconds or 0.0) + second


def _exif_time(path: str) -> datetime | None:
    with Image.open(path) as file:
        exif = file.getexif()
        for block, tag in _EXIF_TIMES:
            text = (exif.get_ifd(block) if block else exif).get(tag)
            try:
                return datetime.strptime(str(text).strip("\0 "), "%Y:%m:%d %H:%M:%S")
            except ValueError:
                continue
    return None


def index_archive(
    searcher: Any,
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    meta: CameraAndTime,
    batch_size: int,
    score_thr: float | None,
    index_type: str | None,
    server: dict[str, str],
) -> Gallery | None:
    """Do what :meth:`PersonSearchInferencer.index` of ``searcher`` says; see there for the arguments."""
    paths = in_rank_0(lambda: _list_files(inputs, searcher.fps))
    folder = os.path.abspath(inputs) if isinstance(inputs, str | Path) and os.path.isdir(inputs) else None
    root = folder or os.path.commonpath([os.path.dirname(path) for path in paths])
    facts = dict(model=searcher.name, fingerprint=searcher.fingerprint, width=searcher.width, root=root)
    facts |= dict(searcher=searcher.arguments, version=describe_versions()["mmpersonsearch"])
    facts["score_thr"] = searcher.score_thr if score_thr is None else score_thr
    opened: list[Gallery] = []  # in rank 0

    def open_gallery() -> dict[str, Any]:
        opened.append(Gallery(out, facts, **server))
        if index_type is not None:
            opened[0].set_index(index_type)
        return opened[0].facts  # of its first indexing

    try:
        facts = in_rank_0(open_gallery)
        gallery = opened[0] if opened else None
        steps = (facts["root"], gallery, facts["score_thr"], meta, batch_size, searcher.show_progress)
        report = index_pictures(searcher.predict, paths, *steps)
    except BaseException:
        for gallery in opened:
            gallery.close()
        raise
    if gallery is not None:
        gallery.report = report
    return gallery


def _list_files(inputs: str | Path | Sequence[str | Path], fps: float) -> list[str]:
    items = list_items(inputs, fps)
    if not items or not all(isinstance(item, str) for item in items):
        raise InputError(f"{inputs}: expected pictures or videos in files, found none")
    return [os.path.abspath(item) for item in items]


def index_pictures(
    predict: Predict,
    paths: Sequence[str],
    root: str,
    gallery: Gallery | None,
    score_thr: float,
    meta: CameraAndTime,
    batch_size: int = 1,
    show_progress: bool = True,
) -> IndexReport:
    """Detect, embed and add pictures that the gallery does not know by path, size and time of change.

    Each rank of a distributed run takes every n-th picture; rank 0 alone has the gallery and adds all. An error of one
    rank is raised in all, see :func:`in_all_ranks`.

    Args:
        predict: Gives for paths and a batch size the data sample of each, or the error for which it cannot be read.
        paths: Files and frames.
        root: Folder to which names are relative.
        gallery: Of rank 0; None in other ranks.
        score_thr: Least score of persons.
        meta: Camera and time.
        batch_size: Pictures that the model sees at a time, and that are added at a time.
        show_progress: Whether to show a progress bar.
    """
    todo, report = _new_paths(paths, root, gallery)
    own = todo[get_rank() :: get_world_size()]
    number = math.ceil(math.ceil(len(todo) / get_world_size()) / batch_size)  # of steps, the same in all ranks
    steps = range(number)
    flushed = 0
    for step in track(steps, description="index") if show_progress and get_rank() == 0 else steps:
        part, added = own[step * batch_size : (step + 1) * batch_size], []
        for of_rank in in_all_ranks(lambda part=part: _make_scenes(predict, part, root, score_thr, meta, batch_size)):
            scenes = [one for _, one in of_rank if isinstance(one, Scene)]
            for path, one in of_rank:
                if isinstance(one, str):
                    report.skipped.setdefault(split_frame(path)[0], one)
            report.indexed += len(scenes)
            report.persons += sum(len(scene.scores) for scene in scenes)
            added += scenes
        in_rank_0(lambda added=added: gallery.add(added))
        if report.persons - flushed > FLUSH:
            in_rank_0(lambda: None if gallery.client.remote else gallery.flush())  # a server does so by itself
            flushed = report.persons
    in_rank_0(lambda: gallery.flush())
    return report


def _new_paths(paths: Sequence[str], root: str, gallery: Gallery | None) -> tuple[list[str], IndexReport]:
    paths = list(dict.fromkeys(paths))
    known = in_rank_0(lambda: gallery.states(_name(path, root) for path in paths))
    states = {path: _state(path) for path in paths}  # None of a file that has vanished: reading it gives the reason
    todo = [path for path, state in states.items() if state is None or known.get(_name(path, root)) != state]
    return todo, IndexReport(known=len(paths) - len(todo))


def _name(path: str, root: str) -> str:
    return os.path.relpath(path, root)


def _state(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(split_frame(path)[0])
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _make_scenes(
    predict: Predict, paths: Sequence[str], root: str, score_thr: float, meta: CameraAndTime, batch_size: int
) -> list[tuple[str, Scene | str]]:
    samples = predict(paths, batch_size)
    return [(path, _make_scene(path, root, one, score_thr, meta)) for path, one in zip(paths, samples)]


def _make_scene(
    path: str, root: str, sample: DetDataSample | Exception, score_thr: float, meta: CameraAndTime
) -> Scene | str:
    """Make a picture's scene; the reason as text where there is none."""
    try:
        if isinstance(sample, Exception):
            raise sample
        name = _name(path, root)
        if name.encode("utf-8", "replace").decode() != name:
            raise InputError(f"{path}: the name is not UTF-8")
        status = os.stat(split_frame(path)[0])
        found = sample.pred_instances[sample.pred_instances.scores >= score_thr]
        return Scene(
            image=name,
            size=status.st_size,
            mtime=status.st_mtime_ns,
            bboxes=found.bboxes.float().numpy(),
            scores=found.scores.float().numpy(),
            feats=found.reid_feats.float().numpy(),
            camera=meta.camera(name),
            time=meta.time(path),
        )
    except (InputError, OSError) as error:
        return str(error)
