"""Boxes as annotation files have them, and checks whose errors name the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import numpy as np

from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import describe_file

_ERRORS: ContextVar[list[str] | None] = ContextVar("errors", default=None)


@contextmanager
def collect_errors() -> Iterator[list[str]]:
    """Have the readers skip faulty records, see :func:`one_record`; yields the list of their errors."""
    errors: list[str] = []
    token = _ERRORS.set(errors)
    try:
        yield errors
    except (InputError, FileNotFoundError) as error:
        errors.append(str(error))
    finally:
        _ERRORS.reset(token)


@contextmanager
def one_record() -> Iterator[None]:
    """Read one of many records. Its error is raised, or, inside :func:`collect_errors`, collected."""
    try:
        yield
    except (InputError, FileNotFoundError) as error:
        errors = _ERRORS.get()
        if errors is None:
            raise
        errors.append(str(error))


def read_xywh(boxes: np.ndarray) -> np.ndarray:
    """Convert boxes as the public readers of PRW and CUHK-SYSU do, so that metrics are comparable.

    Negative numbers become 0, then ``x2 = x + w`` and ``y2 = y + h``, then all are truncated to integers.

    Args:
        boxes: (N, 4) x, y, w, h in pixels.

    Returns:
        (N, 4) float64 x1, y1, x2, y2 in pixels.
    """
    boxes = np.clip(np.asarray(boxes, dtype=np.float64).reshape(-1, 4), 0, None)
    return np.trunc(np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1))


def has_area(boxes: np.ndarray) -> np.ndarray:
    """Tell which of the (N, 4) xyxy boxes have a width and a height above 0, as (N,) bool."""
    return (boxes[:, 2:] > boxes[:, :2]).all(axis=1)


def check_file(path: str | Path, expected: str) -> Path:
    """Return the path of an existing file or folder.

    Raises:
        FileNotFoundError: There is none; the message names the path and what was expected there.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist: expected {expected}")
    return path


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text; raise InputError, which names the file, if it is none."""
    try:
        return path.read_text().splitlines()
    except (UnicodeDecodeError, IsADirectoryError):
        raise InputError(f"{path} {describe_file(path)}, expected text") from None


def check_unique(names: Iterable, source: str | Path) -> None:
    """Raise InputError, which names the image and the source, if a name repeats."""
    for name, count in Counter(names).most_common(1):
        if count > 1:
            raise InputError(f"{source}: image {name!r} is listed {count} times")
