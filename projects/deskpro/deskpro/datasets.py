"""Crops of persons who change clothes, with their faces and clothes masks."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from mmengine.dataset import BaseDataset

from mmpersonsearch.datasets.readers.files import check_file
from mmpersonsearch.evaluation.reid import UNKNOWN_CLOTHES
from mmpersonsearch.registry import DATASETS, TRANSFORMS
from mmpersonsearch.utils.errors import InputError

STREAMS = {"body": "imgs", "face": "lr_face", "restored_face": "hr_face"}  # folder of each stream
MASKS = "mask"
SPLITS = {"train": ("bounding_box_train",), "test": ("query", "bounding_box_test")}

_SUFFIXES = (".jpg", ".jpeg", ".png")
_NAME = re.compile(r"(\d+)_c?(\d+|[A-Z])_.+\.(jpg|jpeg|png)", re.IGNORECASE)


@DATASETS.register_module()
class ClothesChangingDataset(BaseDataset):
    """Celeb-reID, Celeb-reID-light, PRCC or another set in DeSKPro's folders.

    ``{imgs,lr_face,hr_face,mask}/{bounding_box_train,query,bounding_box_test}/`` hold a person's crop, face, restored
    face and clothes mask under the same file name: ``<person>_c<camera>_<frame>.jpg`` or
    ``<person>_<camera>_<frame>.jpg`` (or png). Cameras are numbers, or letters as PRCC's, of which A is 1.

    An entry has ``img_path``, ``streams``, ``stream_paths``, ``mask_path``, ``other_paths`` (its files but the body's),
    ``person_id``, ``camera_id``, ``clothes_id``, ``is_query``, ``has_face`` and ``gt_label``: in training the index of
    the identity, 0 to ``metainfo['num_ids']`` - 1 in the order of the data set's own numbers
    (``metainfo['identities']``), in testing that number. The test split is the queries, then the gallery.

    Files of other kinds, such as ``Thumbs.db``, are not read, and one warning of each split counts them.

    An image that lacks the file of a stream or its mask is left out of training; in testing it has no face. One warning
    counts them.

    Args:
        data_root: Folder of the set.
        split: ``'train'`` or ``'test'``.
        streams: What to load, of ``'body'``, ``'face'`` and ``'restored_face'``.
        load_masks: Load the clothes masks, too; in training only.
        same_clothes_cameras: Groups of cameras (by number) in which a person wears the same clothes. Each other camera
            has clothes of its own, and ``clothes_id`` is the lowest camera of the group. None: the clothes are not
            known, and ``clothes_id`` is -1.
        pipeline: Transforms or their configs.
        kwargs: Arguments of :class:`mmengine.dataset.BaseDataset`.

    Raises:
        FileNotFoundError: A folder is missing.
        InputError: A file has another name, a split has no images, an argument is wrong; the message names it.
    """

    def __init__(
        self,
        data_root: str,
        split: str = "train",
        streams: Sequence[str] = ("body",),
        load_masks: bool = False,
        same_clothes_cameras: Sequence[Sequence[int]] | None = None,
        pipeline: Sequence[dict | Callable] = (),
        **kwargs,
    ) -> None:
        if split not in SPLITS:
            raise InputError(f"ClothesChangingDataset: split must be one of {list(SPLITS)}, got {split!r}")
        if not streams or set(streams) - STREAMS.keys():
            raise InputError(f"ClothesChangingDataset: streams must be of {list(STREAMS)}, got {list(streams)}")
        if load_masks and (split != "train" or "body" not in streams):
            raise InputError("ClothesChangingDataset: load_masks is for the training split with the stream 'body'")
        self.split, self.streams, self.load_masks = split, tuple(streams), load_masks
        self.clothes_of = None
        if same_clothes_cameras is not None:
            self.clothes_of = {camera: min(group) for group in same_clothes_cameras for camera in group}
        kwargs.setdefault("test_mode", split == "test")
        # MMEngine would look the names up from its root, which finds ours only where a default scope is set.
        pipeline = [TRANSFORMS.build(step) if isinstance(step, dict) else step for step in pipeline]
        super().__init__(data_root=str(data_root), pipeline=pipeline, **kwargs)

    def load_data_list(self) -> list[dict]:
        """List the images of the split; see the class for the form of the entries."""
        entries = [entry for folder in SPLITS[self.split] for entry in self._read_folder(folder)]
        if self.split == "train":
            entries = self._complete(entries)
            identities = sorted({entry["person_id"] for entry in entries})
            labels = {person_id: label for label, person_id in enumerate(identities)}
            self._metainfo.update(num_ids=len(identities), identities=identities)
            return [{**entry, "gt_label": labels[entry["person_id"]]} for entry in entries]
        faceless = [entry["img_path"] for entry in entries if not entry["has_face"]]
        if faceless and set(self.streams) != {"body"}:
            self._warn(f"{len(faceless)} of {len(entries)} images have no face", faceless[0])
        return entries

    def _read_folder(self, split_folder: str) -> list[dict]:
        root = Path(self.data_root)
        folders = {stream: root / STREAMS[stream] / split_folder for stream in ("body", *self.streams)}
        if self.load_masks:
            folders[MASKS] = root / MASKS / split_folder
        files = {
            key: [path for path in sorted(check_file(folder, "a folder of images").iterdir()) if path.is_file()]
            for key, folder in folders.items()
        }
        names = {key: {path.name for path in paths if _is_image(path)} for key, paths in files.items()}
        if not names["body"]:
            raise InputError(f"{folders['body']} has no images")
        if others := [path for paths in files.values() for path in paths if not _is_image(path)]:
            self._warn(f"{len(others)} files of {split_folder} are no jpg or png and are not read", others[0])
        entries = []
        for name in sorted(names["body"]):
            paths = {key: str(folder / name) for key, folder in folders.items() if name in names[key]}
            entries.append({**self._read_name(folders["body"] / name), **self._describe(paths, split_folder)})
        return entries

    def _read_name(self, path: Path) -> dict:
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise InputError(
                f"{path}: expected a name <person>_c<camera>_<frame>.jpg or <person>_<camera>_<frame>.jpg (or png)"
            )
        person, camera = match.group(1, 2)
        camera_id = int(camera) if camera.isdigit() else ord(camera.upper()) - ord("A") + 1
        clothes_id = UNKNOWN_CLOTHES if self.clothes_of is None else self.clothes_of.get(camera_id, camera_id)
        return dict(person_id=int(person), camera_id=camera_id, clothes_id=clothes_id, gt_label=int(person))

    def _describe(self, paths: dict[str, str], split_folder: str) -> dict:
        faces = [stream for stream in self.streams if stream != "body"]
        return dict(
            img_path=paths["body"],
            other_paths=[path for key, path in paths.items() if key != "body"],
            streams=self.streams,
            stream_paths={stream: paths[stream] for stream in self.streams if stream in paths},
            mask_path=paths.get(MASKS),
            has_face=bool(faces) and all(stream in paths for stream in faces),
            is_query=split_folder == "query",
        )

    def _complete(self, entries: list[dict]) -> list[dict]:
        """Leave out the images that lack a file, and warn of them."""
        lacking = {STREAMS[stream]: [e for e in entries if stream not in e["stream_paths"]] for stream in self.streams}
        if self.load_masks:
            lacking[MASKS] = [e for e in entries if e["mask_path"] is None]
        lacking = {folder: those for folder, those in lacking.items() if those}
        left_out = {entry["img_path"] for those in lacking.values() for entry in those}
        kept = [entry for entry in entries if entry["img_path"] not in left_out]
        counts = ", ".join(f"{len(those)} without {folder}" for folder, those in lacking.items())
        if not kept:
            raise InputError(f"{self.data_root}: no training image is complete: {counts}, of {len(entries)}")
        if left_out:
            lost = len({e["person_id"] for e in entries} - {e["person_id"] for e in kept})
            lost = f", with all images of {lost} identities" if lost else ""
            self._warn(f"{len(left_out)} of {len(entries)} images left out of training{lost}: {counts}", min(left_out))
        return kept

    def _warn(self, what: str, first: str) -> None:
        warnings.warn(f"ClothesChangingDataset {self.data_root}: {what}; the first is {first}", stacklevel=2)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")
