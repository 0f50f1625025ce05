"""Checks of a data set's files, whose errors name the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mmpersonsearch.utils.errors import InputError


def check_file(path: str | Path, expected: str) -> Path:
    """The path, if there is such a file or folder.

    Raises:
        FileNotFoundError: There is none; the message names the path and says what was expected there.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist: expected {expected}")
    return path


def check_unique(names: Sequence, source: str | Path) -> None:
    """Raises InputError, which names the first of them and the source, if names repeat."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InputError(f"{source}: image {repeated[0]!r} is listed {names.count(repeated[0])} times")
