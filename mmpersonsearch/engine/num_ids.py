"""The number of identities of a model whose config leaves it to the data: ``num_ids=None``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DefaultScope

from mmpersonsearch.registry import DATASETS
from mmpersonsearch.utils.checkpoint import find_weights
from mmpersonsearch.utils.errors import InputError

# Weights with a row for each identity: of heads, of OIM's lookup table and of C2HEP's class centers.
_ROWS = re.compile(r"(^|\.)(classifier\.weight|classifiers\.0\.weight|lut\.features|centers\.features)$")
_HEP = "loss_id.classifier.weight"  # which has a row more, for the background


def open_parts(config: Any) -> Iterator[dict]:
    """Yield the parts of a model's config whose ``num_ids`` is None."""
    if isinstance(config, dict):
        if "num_ids" in config and config["num_ids"] is None:
            yield config
        config = config.values()
    elif not isinstance(config, list | tuple):
        return
    for part in config:
        yield from open_parts(part)


def set_num_ids(model: dict, num_ids: int) -> None:
    """Set the ``num_ids`` that a model's config leaves open; those that it names stay."""
    for part in list(open_parts(model)):
        part["num_ids"] = num_ids


def count_rows(checkpoint: Mapping[str, Any]) -> int | None:
    """Count the identities of a checkpoint by the rows of its weights; None if no weight has a row for each."""
    weights = find_weights(checkpoint)
    return next((len(value) - key.endswith(_HEP) for key, value in weights.items() if _ROWS.search(key)), None)


def count_training_identities(config: Config) -> int:
    """Read the training set of a config without its pipeline, and count the identities.

    Raises:
        FileNotFoundError: A file of the data set is missing.
        InputError: There is no training set, or a file is malformed.
    """
    dataset = (config.get("train_dataloader") or {}).get("dataset")
    if not dataset:
        raise InputError(f"{config.filename}: num_ids is None, and there is no train_dataloader to count identities in")
    pipeline = {"pipeline": []} if "pipeline" in dataset else {}
    with DefaultScope.overwrite_default_scope(config.get("default_scope", "mmpersonsearch")):  # of wrapped data sets
        return count_identities(DATASETS.build({**dataset, **pipeline}))


def count_identities(dataset: BaseDataset) -> int:
    """Return the number of identities of a training set; InputError if it does not tell."""
    if "num_ids" in dataset.metainfo:
        return dataset.metainfo["num_ids"]
    if hasattr(dataset, "pids"):  # MMDetection's ReIDDataset, crops for a teacher
        return len(dataset.pids)
    several = isinstance(dataset.metainfo, list)  # of mmdet.ConcatDataset, whose identities would collide
    hint = "; JointPersonSearchDataset joins data sets of different identities" if several else ""
    raise InputError(f"{type(dataset).__name__} has no metainfo['num_ids'], the number of its identities{hint}")
