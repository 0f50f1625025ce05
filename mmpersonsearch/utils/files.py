"""Atomic writing and fingerprints of files."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import InputError

# No space, no quota, a limit of the size of files, a read-only file system.
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def write_whole(path: str | Path, content: bytes | memoryview) -> None:
    """Write a file atomically; a missing folder is made.

    Raises:
        InputError: The disk is full or read-only; what was at the path before stays.
    """
    path = Path(path)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with disk_errors_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_bytes(content)
            os.replace(unfinished, path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise


@contextmanager
def disk_errors_named(path: str | Path) -> Iterator[None]:
    """Replace the error of a disk that cannot be written, while a file or in a folder is, by one that names it.

    Raises:
        InputError: The disk is full or read-only.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        free = "" if error.errno == errno.EROFS else f", {_free_space(path)} are free"
        raise InputError(f"{path} cannot be written: {error.strerror}{free}") from error


def _free_space(path: str | Path) -> str:
    existing = next(parent for parent in (Path(path).absolute(), *Path(path).absolute().parents) if parent.exists())
    return f"{shutil.disk_usage(existing).free / 2**20:.1f} MiB"


def write_json_file(path: str | Path, content: Any) -> None:
    """Write plain data as JSON, atomically; see :func:`write_whole`."""
    write_whole(path, (json.dumps(content, indent=1) + "\n").encode())


def read_json_file(path: str | Path, expected: str = "json") -> Any:
    """Read a JSON file, with or without a byte order mark; ``expected`` is for messages.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It is something else, which the message names, or nested too deeply.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, IsADirectoryError):
        raise InputError(f"{path} {describe_file(path)}, expected {expected}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no json: {error}") from error


def disk_is_full(folder: str | Path) -> str:
    """Return the message of a full disk, by a folder on it."""
    return f"{folder}: the disk is full, {_free_space(folder)} are free"


def describe_file(path: str | Path) -> str:
    """Tell what a file seems to be, by its beginning: ``is a PyTorch checkpoint``, for a message."""
    path = Path(path)
    if path.is_dir():
        return "is a folder"
    with path.open("rb") as file:
        start = file.read(4096)
    if start[:2] == b"PK":
        return "seems to be a PyTorch checkpoint"
    if start[:1] == b"\x80":
        return "seems to be a pickle, such as predictions of mmpersonsearch test --out"
    if start[:2] == b"\x1f\x8b":
        return "seems to be compressed by gzip"
    if not start:
        return "is empty"
    if start.lstrip()[:1] in (b"{", b"["):
        return "seems to be JSON"
    if path.suffix == ".py":
        return "seems to be a config"
    return "is something else"


def check_out(path: str | Path | None, *inputs: str, suffixes: tuple[str, ...] = (), option: str = "--out") -> None:
    """Check that a file can be written, before the work whose result it gets.

    Args:
        path: The file; None is accepted.
        inputs: Files that must not be overwritten.
        suffixes: Accepted ends of the name, such as ``.png``; any by default.
        option: Name of the option that gave the path, for messages.

    Raises:
        InputError: It cannot be written; the message names it and why.
    """
    if path is None:
        return
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{option} {path} is a folder, expected a file in it")
    if suffixes and path.suffix.lower() not in suffixes:
        raise InputError(f"{option} {path}: expected a name that ends in {' or '.join(suffixes)}")
    if any(Path(one).exists() and path.exists() and path.samefile(one) for one in inputs):
        raise InputError(f"{option} {path} is also an input, which would be lost")
    check_folder(path.parent)


def check_folder(path: str | Path) -> None:
    """Check that files can be written in a folder, which need not exist yet; raise ``InputError`` that names it."""
    path = Path(path).absolute()
    existing = next(parent for parent in (path, *path.parents) if parent.exists())
    if not existing.is_dir():
        raise InputError(f"{path} cannot be made a folder: {existing} is a file")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(f"{path} cannot be written: no permission for {existing}")


def digest_files(paths: Iterable[str | Path]) -> str:
    """Compute ``sha256:`` and 16 hexadecimal digits over the names and contents of files, in the given order.

    Raises:
        FileNotFoundError: One is missing.
    """
    digest = hashlib.sha256()
    for path in map(Path, paths):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return f"sha256:{digest.hexdigest()[:16]}"
