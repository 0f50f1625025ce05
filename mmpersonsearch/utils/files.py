"""Atomic writing and fingerprints of files."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .errors import InputError


def write_whole(path: str | Path, content: bytes) -> None:
    """Write a file atomically; a missing folder is made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_bytes(content)
    os.replace(unfinished, path)


def write_json_file(path: str | Path, content: Any) -> None:
    """Write plain data as JSON, atomically; see :func:`write_whole`."""
    write_whole(path, (json.dumps(content, indent=1) + "\n").encode())


def disk_is_full(folder: str | Path) -> str:
    """Return the message of a full disk, by a folder on it."""
    return f"{folder}: the disk is full, {shutil.disk_usage(folder).free / 2**20:.1f} MiB are free"


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
