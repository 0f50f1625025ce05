"""Reading MATLAB files with errors that name the file and the key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from mmpersonsearch.utils.errors import InputError

from .checks import check_file


def load_variable(path: str | Path, keys: str | Sequence[str]) -> np.ndarray:
    """The first variable of the file that is there.

    Args:
        path: A .mat file of version 5 to 7.
        keys: Names of variables, the preferred one first.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: The file cannot be read or has none of the variables.
    """
    keys = [keys] if isinstance(keys, str) else list(keys)
    path = check_file(path, f"a MATLAB file with the variable {' or '.join(keys)}")
    try:
        content = loadmat(path)
    # scipy raises errors of many kinds on damaged files, none of which names the file.
    except Exception as error:
        raise InputError(f"{path} cannot be read as a MATLAB file of version 5 to 7: {error}") from error
    for key in keys:
        if key in content:
            return content[key]
    found = [key for key in content if not key.startswith("__")]
    raise InputError(f"{path} has no variable {' or '.join(keys)}, only {found}")


def load_names(path: str | Path, key: str) -> list[str]:
    """Texts of a cell array.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: The file cannot be read, lacks the variable, or this is not a cell array of texts.
    """
    cells = load_variable(path, key)
    names = [cell.item() if isinstance(cell, np.ndarray) and cell.size == 1 else cell for cell in cells.ravel()]
    for i, name in enumerate(names):
        if not isinstance(name, str):
            raise InputError(f"{path}, {key}: cell {i} is {name!r}, expected the name of an image")
    return names


def require_fields(structs: np.ndarray, expected: tuple[str, ...], where: str) -> None:
    """Check that a struct array has some fields.

    Raises:
        InputError: One is missing; names ``where``.
    """
    names = getattr(structs, "dtype", np.dtype(object)).names or ()
    if missing := [field for field in expected if field not in names]:
        raise InputError(f"{where} has no field {missing[0]!r}, only {list(names)}")


def read_text(value: np.ndarray, where: str) -> str:
    """Return the text of a field.

    Raises:
        InputError: It is none; names ``where``.
    """
    text = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    if not isinstance(text, str):
        raise InputError(f"{where}: expected a text, got {text!r}")
    return text
