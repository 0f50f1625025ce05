"""List the configs that come with the package, name and file.

mmpersonsearch configs
mmpersonsearch configs tdn_r50
mmpersonsearch configs 'oim_r*_prw'
"""

from __future__ import annotations

import argparse
import sys
from fnmatch import fnmatchcase

from mmpersonsearch.utils.config_files import list_configs

from .command_line import exit_on_bad_input


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="mmpersonsearch configs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pattern", nargs="?", default="", help="part of a name, or with *, ? or [] the whole name")
    return parser.parse_args(argv)


def matches(name: str, pattern: str) -> bool:
    """Whether a name holds the pattern, or is as the pattern says if that has wildcards."""
    return fnmatchcase(name, pattern) if set(pattern) & set("*?[") else pattern in name


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with exit_on_bad_input("mmpersonsearch configs"):
        found = [path for path in list_configs() if matches(path.stem, args.pattern)]
    if not found:
        sys.exit(f"mmpersonsearch configs: no name matches {args.pattern!r}")
    width = max(len(path.stem) for path in found)
    print("\n".join(f"{path.stem:{width}}  {path}" for path in found))
