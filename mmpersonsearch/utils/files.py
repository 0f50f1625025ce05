"""Writing files, and telling whether two are the same."""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(path: str | Path, content: bytes) -> None:
    """Write a file so that it is there as a whole or not at all; its folder is made where it is missing."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_bytes(content)
    os.replace(unfinished, path)


def digest_files(paths: Iterable[str | Path]) -> str:
    """SHA-256 over names and contents of files, in the order given, as ``sha256:`` and 16 hexadecimal digits.

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
    """Hand out a new folder that takes the place of ``path`` when all is written: it is there as a whole or not at all.

    Args:
        path: Absolute; what is there is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the last step is a rename.
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        new = Path(folder) / "new"
        new.mkdir()
        yield new
        if path.exists():
            path.rename(Path(folder) / "old")
        new.rename(path)
