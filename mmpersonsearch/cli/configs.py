"""List the names and files of the package's configs.

mmpersonsearch configs
mmpersonsearch configs tdn_r50
mmpersonsearch configs 'oim_r*_prw'
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from mmpersonsearch.utils.config_files import list_configs
from mmpersonsearch.utils.errors import InputError

from .command_line import exit_on_bad_input, make_parser


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("configs", __doc__)
    parser.add_argument("pattern", nargs="?", default="", help="part of a name, or a whole name with *, ? or []")
    pattern = parser.parse_args(argv).pattern
    with exit_on_bad_input("mmpersonsearch configs"):
        whole = pattern if set(pattern) & set("*?[") else f"*{pattern}*"
        found = [path for path in list_configs() if fnmatchcase(path.stem, whole)]
        if not found:
            raise InputError(f"no name matches {pattern!r}")
    width = max(len(path.stem) for path in found)
    print("\n".join(f"{path.stem:{width}}  {path}" for path in found))
