"""Packing of a pipeline's results for the model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.datasets.transforms import PackDetInputs, PackReIDInputs
from mmengine.structures import InstanceData

from mmpersonsearch.registry import TRANSFORMS
from mmpersonsearch.utils.errors import InputError

_META_KEYS = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor", "flip", "flip_direction", "camera_id")


@TRANSFORMS.register_module()
class PackPersonSearchInputs(PackDetInputs):
    """MMDetection's ``PackDetInputs`` with identities and queries.

    The data sample's ``gt_instances`` get ``person_ids`` (N,) int64 from ``gt_instances_ids``. Where the results have
    ``query_instances``, so does the data sample: ``bboxes`` (Q, 4) float32 xyxy in pixels of the original image and
    ``query_ids`` (Q,) int64.

    Args:
        meta_keys: Keys of the results that become meta information, where they are there.
    """

    mapping_table = {**PackDetInputs.mapping_table, "gt_instances_ids": "person_ids"}

    def __init__(self, meta_keys: Sequence[str] = _META_KEYS) -> None:
        super().__init__(meta_keys)

    def transform(self, results: dict) -> dict:
        """Packs the results into ``inputs``, a (3, H, W) tensor, and ``data_samples``, a ``DetDataSample``.

        Raises:
            InputError: Boxes, labels and identities differ in number: a transform has left out boxes but not their
                identities.
        """
        self._check_alignment(results)
        packed = super().transform(results)
        if "query_instances" in results:
            queries = results["query_instances"]
            packed["data_samples"].query_instances = InstanceData(
                bboxes=torch.from_numpy(queries["bboxes"]), query_ids=torch.from_numpy(queries["query_ids"])
            )
        return packed

    def _check_alignment(self, results: dict) -> None:
        counts = {
            key: len(results[key]) for key in (*self.mapping_table, "gt_ignore_flags") if results.get(key) is not None
        }
        if len(set(counts.values())) > 1:
            raise InputError(
                f"{results.get('img_path')}: {counts}: a transform of the pipeline left out boxes but not their "
                "identities (mmdet.FilterAnnotations does; mmdet.RandomCrop keeps them together)"
            )


@TRANSFORMS.register_module()
class PackReIDCrop(PackReIDInputs):
    """Pack one person crop: (C, H, W), so that a batch of any size is (N, C, H, W).

    MMDetection's own packs a group of crops as (G, C, H, W): in a batch of more than one item its model refuses them,
    and its preprocessor then leaves the channels in the wrong order, since it looks for them in the first dimension.
    """

    def transform(self, results: dict) -> dict:
        """Pack ``img`` and ``gt_label``."""
        packed = super().transform(results)
        packed["inputs"] = packed["inputs"].squeeze(0)
        return packed
