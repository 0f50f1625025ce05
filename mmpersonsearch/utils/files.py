"""Atomic writing and fingerprints of files."""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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


@contextmanager
def write_whole_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder that replaces the one at the absolute ``path`` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, which a rename then replaces.
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        new = Path(folder) / "new"
        new.mkdir()
        yield new
        if path.exists():
            path.rename(Path(folder) / "old")
        new.rename(path)
