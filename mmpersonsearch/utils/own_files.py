"""Lists of the files that a tool wrote into a folder, so that it replaces nothing else there."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError
from .files import digest_files, read_json_file, write_whole


class OwnFiles:
    """What a tool wrote into a folder: ``.<tool>.files.json`` there holds each file's digest.

    Files that are not in the list, or whose content is another by now, are foreign, as are symbolic links that the tool
    did not make and folders that it did not make. Links are never followed.

    Args:
        folder: The folder; it may be missing.
        tool: Name of the tool, and of what it writes where a folder may hold several, such as ``crop-train``.
    """

    def __init__(self, folder: Path, tool: str) -> None:
        self.folder = folder
        self.mark = folder / f".{tool}.files.json"

    def check(self, *parts: Path) -> None:
        """Raise ``InputError`` that names a foreign file in parts of the folder; the folder itself is all of it."""
        own = self._read()
        for path in self._walk(parts):
            name = self._name(path)
            if name not in own or own[name] != _describe(path):
                raise InputError(
                    f"{path} is not, or not as, this tool wrote it, and would be removed or overwritten: move it away, "
                    f"or choose another folder than {self.folder}"
                )

    def remove(self, *parts: Path) -> None:
        """Remove some parts of the folder, of the folder itself all that is in it; for the error, see :meth:`check`."""
        self.check(*parts)
        own = self._read()
        for path in reversed(list(self._walk(parts))):
            path.rmdir() if own.pop(self._name(path)) == "folder" else path.unlink()
        if self.folder in parts:
            self.mark.unlink(missing_ok=True)
        elif parts:
            self._write(own)

    @contextmanager
    def recording(self, *parts: Path) -> Iterator[None]:
        """Add to the list what the block makes in some parts of the folder, even if it fails."""
        own = self._read()
        foreign = {self._name(path) for path in self._walk(parts)} - own.keys()
        try:
            yield
        finally:
            found = {self._name(path): path for path in self._walk(parts)}
            self._write(own | {name: _describe(path) for name, path in found.items() if name not in foreign})

    def _walk(self, parts: tuple[Path, ...]) -> Iterator[Path]:
        """All that is at and in the parts, folders before their content."""
        waiting = list(parts)
        while waiting:
            path = waiting.pop()
            if path == self.mark or not (path.exists() or path.is_symlink()):
                continue
            if path != self.folder:
                yield path
            if path.is_dir() and not path.is_symlink():
                waiting += sorted(path.iterdir())

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _read(self) -> dict[str, str]:
        if not self.mark.is_file():
            return {}
        try:
            return dict(read_json_file(self.mark))
        except (ValueError, TypeError):
            raise InputError(f"{self.mark} is damaged, so nothing in {self.folder} is replaced") from None

    def _write(self, own: dict[str, str]) -> None:
        write_whole(self.mark, (json.dumps(dict(sorted(own.items())), indent=0) + "\n").encode())


@contextmanager
def write_whole_folder(path: Path, tool: str) -> Iterator[Path]:
    """Yield a new folder that replaces the one at the absolute ``path`` when the block ends without an error.

    Raises:
        InputError: The folder holds what the tool did not write; see :meth:`OwnFiles.check`.
    """
    before = OwnFiles(path, tool)
    before.check(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, which a rename then replaces.
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        new = Path(folder) / "new"
        with OwnFiles(new, tool).recording(new):
            new.mkdir()
            yield new
        before.check(path)  # meanwhile something may have been put there
        if path.exists():
            path.rename(Path(folder) / "old")
        new.rename(path)


def _describe(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    if path.is_dir():
        return "folder"
    return digest_files([path]) if path.is_file() else "neither a file nor a folder"
