"""List the configs that come with the package, name and file.

mmpersonsearch configs
mmpersonsearch configs tdn_r50
mmpersonsearch configs 'oim_r*_prw'
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from mmpersonsearch.utils.config_files import list_configs
from mmpersonsearch.utils.errors import InputError

from .command_line import exit_on_bad_input, make_parser


def matches(name: str, pattern: str) -> bool:
    """Whether a name holds the pattern, or is as the pattern says if that has wildcards."""
    return fnmatchcase(name, pattern) if set(pattern) & set("*?[") else pattern in name


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("configs", __doc__)
    parser.add_argument("pattern", nargs="?", default="", help="part of a name, or with *, ? or [] the whole name")
    pattern = parser.parse_args(argv).pattern
    with exit_on_bad_input("mmpersonsearch configs"):
        found = [path for path in list_configs() if matches(path.stem, pattern)]
        if not found:
            raise InputError(f"no name matches {pattern!r}")
    width = max(len(path.stem) for path in found)
    print("\n".join(f"{path.stem:{width}}  {path}" for path in found))
