"""Check a gallery: whether its pictures are still there and unchanged, and its rows complete.

Exit status 1 if something is wrong. With --recall also how many of the most similar persons an approximate index finds.
"""

from __future__ import annotations

import os
import sys

from mmpersonsearch.apis import Gallery
from mmpersonsearch.utils.faults import WARNING, Faults
from mmpersonsearch.utils.media import split_frame

from .command_line import exit_on_bad_input, make_parser, positive
from .searchers import add_effort, add_gallery, open_gallery


def find_faults(gallery: Gallery) -> list[str]:
    """Return what is wrong, a line a kind."""
    faults, expected = Faults(), 0
    for row in gallery.rows(["image", "size", "mtime", "persons"]):
        expected += row["persons"]
        path, _ = split_frame(os.path.join(gallery.facts["root"], row["image"]))
        try:
            status = os.stat(path)
        except OSError:
            faults.add(WARNING, gallery.facts["root"], "pictures that are gone", row["image"])
            continue
        if (status.st_size, status.st_mtime_ns) != (row["size"], row["mtime"]):
            faults.add(WARNING, gallery.facts["root"], "pictures that have changed", row["image"])
    lines, (_, persons) = faults.lines(WARNING), gallery.count()
    return lines if persons == expected else [*lines, f"{persons} persons, expected {expected}"]


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("gallery check", __doc__)
    add_gallery(parser)
    help_text = "measure the recall of the index with so many queries (100)"
    parser.add_argument("--recall", type=positive, nargs="?", const=100, metavar="QUERIES", help=help_text)
    add_effort(parser)
    args = parser.parse_args(argv)
    with exit_on_bad_input("mmpersonsearch gallery check"), open_gallery(args) as gallery:
        faults = find_faults(gallery)
        if args.recall:
            gallery.check_recall(args.recall, effort=args.effort)
    print("\n".join(faults) or "no faults")
    sys.exit(1 if faults else 0)
