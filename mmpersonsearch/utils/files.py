"""Atomic writing and fingerprints of files."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path


def write_whole(path: str | Path, content: bytes) -> None:
    """Write a file atomically; a missing folder is made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_bytes(content)
    os.replace(unfinished, path)


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
