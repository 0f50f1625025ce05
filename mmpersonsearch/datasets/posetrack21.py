"""PoseTrack21 (Doering et al., CVPR 2022) in the form of :class:`CocoPersonSearchDataset`."""

from __future__ import annotations

from pathlib import Path

from .coco import write_split
from .readers.coco_json import annotations_json, queries_json
from .readers.posetrack21_json import read_posetrack21, read_posetrack21_queries

FOLDER = "posetrack_person_search"


def convert_posetrack21(root: Path, split: str, out: Path) -> tuple[list[Path], list[str]]:
    """Write a split of PoseTrack21's person search as ``<split>.json`` and ``<split>_queries.json``.

    As in its authors' code, images without an annotated person are left out: their persons are not annotated. A
    ``file_name`` is relative to ``root``; regions to ignore become annotations with ``iscrowd`` 1.

    Args:
        root: Folder with ``posetrack_person_search/`` and ``images/``.
        split: ``'train'``, or ``'test'`` for ``val.json`` and ``query.json``.
        out: Folder of the files.

    Returns:
        The files, and what differs from the source, one line each.

    Raises:
        FileNotFoundError: A json or an image is missing.
        InputError: A json is malformed, which names the entry, or a file in ``out`` is not this function's.
    """
    source = root / FOLDER
    images = read_posetrack21(source / ("train.json" if split == "train" else "val.json"))
    scenes = [scene for scene in images if len(scene.bboxes)]
    notes = []
    if left_out := len(images) - len(scenes):
        notes.append(f"{left_out} images without an annotated person are left out")
    queries = None
    if split == "test":
        found, query_images = read_posetrack21_queries(source / "query.json")
        known = {scene.img_id for scene in scenes}
        added = [scene for scene in query_images if len(scene.bboxes) and scene.img_id not in known]
        if added:
            notes.append(f"{len(added)} images of queries are not in val.json: they join the other queries' galleries")
        scenes += added
        queries = queries_json(scenes, found)
    annotations = annotations_json(scenes, lambda img_id: root / img_id, root)
    return write_split(out, split, annotations, queries), notes
