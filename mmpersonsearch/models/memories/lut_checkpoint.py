"""The LUT in a checkpoint of a training."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.logging import print_log
from torch import Tensor

from mmpersonsearch.utils.checkpoint import load_checkpoint_file
from mmpersonsearch.utils.errors import InputError


def read_lut(path: str, metainfo: Mapping[str, Any], shape: Sequence[int]) -> Tensor:
    """Read the LUT that a training on the same identities has left.

    Its rows are the identities of ``meta.dataset_meta.identities``, which MMEngine's ``Runner`` writes, in order.

    Args:
        path: File or URL of a checkpoint with exactly one ``lut.features``.
        metainfo: Of the training set; ``identities`` are the numbers of its identities, row by row.
        shape: (num_ids, feat_channels) that the LUT must have.

    Returns:
        The (num_ids, feat_channels) LUT.

    Raises:
        FileNotFoundError: The file is missing.
        InputError: There is no LUT, several, one of another shape or of other identities; ``identities`` are missing.
    """
    place = f"lut_checkpoint {path}"
    if "identities" not in metainfo:
        raise InputError(
            f"{place}: the training set has no metainfo['identities'], the numbers of its identities in the order of "
            "person_id"
        )
    checkpoint, identities = load_checkpoint_file(path), list(metainfo["identities"])
    key, table = find_lut(checkpoint, place)
    _check_same_identities(checkpoint, identities, place)
    if table.shape != tuple(shape):
        raise InputError(
            f"{place}: {key} has shape {tuple(table.shape)}, expected (num_ids, feat_channels) = {tuple(shape)}"
        )
    num_empty = int((table[: len(identities)] == 0).all(dim=1).sum())
    print_log(
        f"LUT of {len(identities)} identities loaded from {path}; "
        f"{num_empty} of its rows are empty (identities that its model never saw)",
        logger="current",
    )
    return table


def find_lut(checkpoint: dict[str, Any], place: str) -> tuple[str, Tensor]:
    """Find the key and the (num_ids, feat_channels) LUT of a training checkpoint, or of weights alone.

    Raises:
        InputError: There is none, or several; ``place`` says where, in the message.
    """
    state_dict = checkpoint.get("state_dict", checkpoint)
    keys = [key for key in state_dict if key == "features" or key.endswith("lut.features")]
    if len(keys) != 1:
        others = ", ".join(list(state_dict)[:3])
        raise InputError(
            f"{place}: expected one key 'features' or '*.lut.features', found {keys} among {len(state_dict)} keys "
            f"({others}{', ...' if len(state_dict) > 3 else ''})"
        )
    return keys[0], state_dict[keys[0]]


def _check_same_identities(checkpoint: dict[str, Any], ours: list[int], place: str) -> None:
    meta = checkpoint.get("meta") or {}
    theirs = (meta.get("dataset_meta") or {}).get("identities")
    if theirs is None:
        raise InputError(
            f"{place}: meta.dataset_meta.identities is missing, expected the list of the identities' numbers, row by "
            "row; checkpoints of training on a person search data set have it"
        )
    pairs = enumerate(itertools.zip_longest(ours, theirs))
    difference = next(((i, *pair) for i, pair in pairs if pair[0] != pair[1]), None)
    if difference is not None:
        row, our, their = difference
        raise InputError(
            f"{place} is of other identities: row {row} is "
            f"{'none' if their is None else f'number {their}'} there and "
            f"{'none' if our is None else f'number {our}'} in the training set "
            f"({len(theirs)} identities there, {len(ours)} in the training set)"
        )
