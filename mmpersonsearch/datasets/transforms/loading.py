"""Loading of images and of persons with their identities."""

from __future__ import annotations

import warnings

import cv2
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets.transforms import LoadAnnotations

from mmpersonsearch.registry import TRANSFORMS
from mmpersonsearch.utils.errors import InputError


@TRANSFORMS.register_module()
class LoadSceneImage(LoadImageFromFile):
    """MMCV's ``LoadImageFromFile`` whose errors always name the file; MMCV's do not where it is empty."""

    def transform(self, results: dict) -> dict | None:
        """Loads ``results['img_path']`` into ``results['img']``, see MMCV.

        Raises:
            FileNotFoundError: There is no such file.
            InputError: The file is empty, cut off, or not an image.
        """
        try:
            return super().transform(results)
        except FileNotFoundError:
            raise
        # What MMCV lets through or raises itself: OpenCV's errors, its assertion, Pillow's errors.
        except (cv2.error, AssertionError, OSError) as error:
            raise InputError(f"{results['img_path']} cannot be decoded as an image: {error}") from error


@TRANSFORMS.register_module()
class LoadPersonSearchAnnotations(LoadAnnotations):
    """MMDetection's ``LoadAnnotations`` with identities.

    Reads ``person_id`` of each of ``results['instances']`` into ``results['gt_instances_ids']``, an (N,) int64 array
    in the order of ``gt_bboxes``. That is the name under which MMDetection's ``RandomCrop`` keeps them aligned.

    Args:
        clip: Clip boxes to the image and leave out persons that have no area there, as for training.
            The truth that is evaluated is not clipped.
        kwargs: Arguments of :class:`mmdet.datasets.transforms.LoadAnnotations`.
    """

    def __init__(self, clip: bool = True, **kwargs) -> None:
        super().__init__(**kwargs)
        self.clip = clip
        self._warned = False

    def transform(self, results: dict) -> dict:
        """Adds ``gt_bboxes``, ``gt_bboxes_labels``, ``gt_ignore_flags`` and ``gt_instances_ids``.

        Where boxes are clipped, the image must have been loaded and not yet changed.
        """
        if self.clip:
            results["instances"] = self._clipped(results)
        results = super().transform(results)
        person_ids = [instance["person_id"] for instance in results.get("instances", [])]
        results["gt_instances_ids"] = np.array(person_ids, dtype=np.int64)
        return results

    def _clipped(self, results: dict) -> list[dict]:
        height, width = results["ori_shape"]
        instances = [
            {**instance, "bbox": np.clip(instance["bbox"], 0, [width, height, width, height]).tolist()}
            for instance in results.get("instances", [])
        ]
        inside = [i for i in instances if i["bbox"][2] > i["bbox"][0] and i["bbox"][3] > i["bbox"][1]]
        if len(inside) < len(instances) and not self._warned:
            self._warned = True
            warnings.warn(
                f"{results.get('img_path')}: {len(instances) - len(inside)} boxes lie outside the image and are "
                "left out of training; the same in further images is not reported",
                stacklevel=2,
            )
        return inside

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, clip={self.clip})"
