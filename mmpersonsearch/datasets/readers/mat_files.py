"""Reading MATLAB files with errors that name the file and the key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from .checks import check_file


def load_variable(path: str | Path, keys: str | Sequence[str]) -> np.ndarray:
    """The first variable of the file that is there.

    Args:
        path: A .mat file of version 5 to 7.
        keys: Names of variables, the preferred one first.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file cannot be read or has none of the variables.
    """
    keys = [keys] if isinstance(keys, str) else list(keys)
    path = check_file(path, f"a MATLAB file with the variable {' or '.join(keys)}")
    try:
        content = loadmat(path)
    # scipy raises errors of many kinds on damaged files, none of which names the file.
    except Exception as error:
        raise ValueError(f"{path} cannot be read as a MATLAB file of version 5 to 7: {error}") from error
    for key in keys:
        if key in content:
            return content[key]
    found = [key for key in content if not key.startswith("__")]
    raise ValueError(f"{path} has no variable {' or '.join(keys)}, only {found}")


def load_names(path: str | Path, key: str) -> list[str]:
    """Texts of a cell array.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file cannot be read, lacks the variable, or this is not a cell array of texts.
    """
    cells = load_variable(path, key)
    names = [cell.item() if isinstance(cell, np.ndarray) and cell.size == 1 else cell for cell in cells.ravel()]
    for i, name in enumerate(names):
        if not isinstance(name, str):
            raise ValueError(f"{path}, {key}: cell {i} is {name!r}, expected the name of an image")
    return names
