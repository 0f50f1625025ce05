"""MATLAB files, read with errors that name the file and the key."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from mmpersonsearch.utils.errors import InputError

from .files import check_file

_HEADER, _COMPRESSED = 128, 15
_LARGEST = 1 << 28  # bytes, once decompressed; the largest file that is read here is CUHK-SYSU's Images.mat


def load_variable(path: str | Path, keys: str | Sequence[str]) -> np.ndarray:
    """Load the first variable named in ``keys`` that a MATLAB file of version 5 to 7 has.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: The file cannot be read or has none of the variables.
    """
    keys = [keys] if isinstance(keys, str) else list(keys)
    path = check_file(path, f"a MATLAB file with the variable {' or '.join(keys)}")
    _check_size(path)
    try:
        content = loadmat(path)
    # scipy raises errors of many kinds on damaged files, none of which names the file.
    except Exception as error:
        raise InputError(f"{path} cannot be read as a MATLAB file of version 5 to 7: {error}") from error
    for key in keys:
        if key in content:
            value = content[key]
            if not isinstance(value, np.ndarray) or np.iscomplexobj(value):
                kind = "complex" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
                raise InputError(f"{path}: {key} is {kind}, expected an array of numbers, cells or structs")
            return value
    found = [key for key in content if not key.startswith("__")]
    raise InputError(f"{path} has no variable {' or '.join(keys)}, only {found}")


def _check_size(path: Path) -> None:
    """Raise InputError if the compressed variables of a file would take more than memory for annotations is."""
    size = 0
    with path.open("rb") as file:
        file.seek(_HEADER)
        while len(tag := file.read(8)) == 8:
            kind, length = np.frombuffer(tag, "<u4").tolist()
            end = file.tell() + length
            unzip = zlib.decompressobj() if kind == _COMPRESSED else None
            while unzip and file.tell() < end and (chunk := file.read(min(1 << 12, end - file.tell()))):
                try:
                    size += len(unzip.decompress(chunk))
                except zlib.error:  # which scipy reports
                    return
                if size > _LARGEST:
                    raise InputError(f"{path} is of more than {_LARGEST >> 20} MiB once decompressed")
            file.seek(end)


def load_names(path: str | Path, key: str) -> list[str]:
    """Load the texts of a cell array; raises the errors of :func:`load_variable` and :func:`read_text`."""
    return [read_text(cell, f"{path}, {key}, cell {i}") for i, cell in enumerate(load_variable(path, key).ravel())]


def require_fields(structs: np.ndarray | list[str], expected: tuple[str, ...], where: str) -> None:
    """Raise InputError, which names ``where``, if a struct array or a list of its fields lacks an expected field."""
    names = structs if isinstance(structs, list) else getattr(structs, "dtype", np.dtype(object)).names or ()
    if missing := [field for field in expected if field not in names]:
        raise InputError(f"{where} has no field {missing[0]!r}, only {list(names)}")


def read_text(value: np.ndarray, where: str) -> str:
    """Return the text of a field or cell; raise InputError, which names ``where``, if it is none."""
    text = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    if not isinstance(text, str):
        raise InputError(f"{where}: expected a text, got {text!r}")
    return text
