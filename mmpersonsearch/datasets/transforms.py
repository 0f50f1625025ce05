"""Transforms that person search adds to MMDetection's: loading and packing of images, boxes and identities."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets.transforms import LoadAnnotations, PackDetInputs, PackReIDInputs
from mmengine.structures import InstanceData

from mmpersonsearch.registry import TRANSFORMS
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.scene_files import check_regular

from .readers.files import has_area

_META_KEYS = (
    *("img_id", "img_path", "ori_shape", "img_shape", "scale_factor", "flip", "flip_direction"),
    *("camera_id", "data_set"),
)


@TRANSFORMS.register_module()
class LoadSceneImage(LoadImageFromFile):
    """MMCV's ``LoadImageFromFile`` whose errors always name the file."""

    def transform(self, results: dict) -> dict | None:
        """Load ``results['img_path']`` into ``results['img']``.

        Raises:
            FileNotFoundError: There is no such file.
            InputError: The file is empty, truncated, not an image, or no regular file.
        """
        check_regular(results["img_path"])
        try:
            return super().transform(results)
        except FileNotFoundError:
            raise
        # What MMCV lets through or raises itself: OpenCV's errors, its assertion, Pillow's errors, a name with a zero.
        except (cv2.error, AssertionError, OSError, ValueError) as error:
            raise InputError(f"{results['img_path']} cannot be decoded as an image: {error}") from error


@TRANSFORMS.register_module()
class LoadPersonSearchAnnotations(LoadAnnotations):
    """MMDetection's ``LoadAnnotations`` with identities.

    With ``clip``, for training, boxes are clipped to the image and persons without area there are skipped. The boxes
    that the evaluation compares with are not clipped. ``kwargs`` are those of MMDetection.
    """

    def __init__(self, clip: bool = True, **kwargs) -> None:
        super().__init__(**kwargs)
        self.clip = clip
        self._warned = False

    def transform(self, results: dict) -> dict:
        """Add ``gt_bboxes``, ``gt_bboxes_labels``, ``gt_ignore_flags`` and ``gt_instances_ids``.

        ``gt_instances_ids`` is an (N,) int64 array of the instances' ``person_id``; under this name MMDetection's
        ``RandomCrop`` keeps it aligned with the boxes. Boxes are clipped to ``ori_shape``: the image must have been
        loaded and not yet been changed.
        """
        if self.clip:
            results["instances"] = self._clipped(results)
        results = super().transform(results)
        person_ids = [instance["person_id"] for instance in results.get("instances", [])]
        results["gt_instances_ids"] = np.array(person_ids, dtype=np.int64)
        return results

    def _clipped(self, results: dict) -> list[dict]:
        instances = results.get("instances", [])
        bboxes = np.array([instance["bbox"] for instance in instances]).reshape(-1, 4)
        bboxes = np.clip(bboxes, 0, [*results["ori_shape"][::-1]] * 2)
        inside = has_area(bboxes)
        if not inside.all() and not self._warned:
            self._warned = True
            warnings.warn(
                f"{results.get('img_path')}: {(~inside).sum()} boxes lie outside the image and are skipped in "
                "training; further images are not reported",
                stacklevel=2,
            )
        clipped = zip(instances, bboxes.tolist(), inside)
        return [{**instance, "bbox": bbox} for instance, bbox, keep in clipped if keep]

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, clip={self.clip})"


@TRANSFORMS.register_module()
class PackPersonSearchInputs(PackDetInputs):
    """MMDetection's ``PackDetInputs`` with identities and queries.

    The data sample's ``gt_instances`` get ``person_ids`` (N,) int64 from ``gt_instances_ids``. Where the results have
    ``query_instances``, so does the data sample: ``bboxes`` (Q, 4) float32 xyxy in pixels of the original image and
    ``query_ids`` (Q,) int64.

    Args:
        meta_keys: Keys of the results that become meta information, where they exist.
    """

    mapping_table = {**PackDetInputs.mapping_table, "gt_instances_ids": "person_ids"}

    def __init__(self, meta_keys: Sequence[str] = _META_KEYS) -> None:
        super().__init__(meta_keys)

    def transform(self, results: dict) -> dict:
        """Pack the results into ``inputs``, a (3, H, W) tensor, and ``data_samples``, a ``DetDataSample``.

        Raises:
            InputError: Boxes, labels and identities differ in number: a transform removed boxes without their
                identities.
        """
        keys = [key for key in (*self.mapping_table, "gt_ignore_flags") if results.get(key) is not None]
        counts = {key: len(results[key]) for key in keys}
        if len(set(counts.values())) > 1:
            raise InputError(
                f"{results.get('img_path')}: {counts}: a transform of the pipeline removed boxes without their "
                "identities (mmdet.FilterAnnotations does; mmdet.RandomCrop keeps them together)"
            )
        results.setdefault("scale_factor", (1.0, 1.0))  # of an image that was not resized
        packed = super().transform(results)
        if "query_instances" in results:
            queries = {key: torch.from_numpy(value) for key, value in results["query_instances"].items()}
            packed["data_samples"].query_instances = InstanceData(**queries)
        return packed


@TRANSFORMS.register_module()
class PackReIDCrop(PackReIDInputs):
    """``PackReIDInputs`` of one person crop as (C, H, W), so that a batch of any size is (N, C, H, W).

    MMDetection packs a group of crops as (G, C, H, W): its model rejects several groups, and its preprocessor leaves
    their channels, which it expects in the first dimension, in the wrong order.
    """

    def transform(self, results: dict) -> dict:
        """Pack ``img`` and ``gt_label``."""
        packed = super().transform(results)
        packed["inputs"] = packed["inputs"].squeeze(0)
        return packed
