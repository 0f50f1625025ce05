"""Check files of the repository: YAML is read, no file is large.

python tools/check_files.py [FILE ...]   # without files: all that git tracks
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

LARGEST = 500_000  # bytes


def find_faults(paths: Iterable[Path]) -> list[str]:
    """Return one line for each file that is larger than :data:`LARGEST` bytes or no YAML though its name says so."""
    faults = []
    for path in paths:
        if path.stat().st_size >= LARGEST:
            faults.append(f"{path}: {path.stat().st_size} bytes, expected fewer than {LARGEST}")
        elif path.suffix in (".yml", ".yaml", ".cff"):
            try:
                list(yaml.compose_all(path.read_text(), Loader=yaml.SafeLoader))  # a tag may name Python
            except yaml.YAMLError as error:
                faults.append(f"{path}: no YAML: {' '.join(str(error).split())}")
    return faults


def main(argv: list[str] | None = None) -> None:
    names = sys.argv[1:] if argv is None else argv
    if not names:
        names = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.splitlines()
    if faults := find_faults(path for path in map(Path, names) if path.is_file()):
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
