"""Remove pictures with their persons from a gallery: by name, or all before a time.

mmpersonsearch gallery remove archive.gallery --image north/0001.jpg
mmpersonsearch gallery remove archive.gallery --older-than "2026-11-01"

Names are relative to the gallery's root, as hits have them. Pictures without a time are not older than any. Exit status
1 if there was none of them.
"""

from __future__ import annotations

import sys

from mmpersonsearch.apis.search import seconds

from .command_line import exit_on_bad_input, make_parser
from .searchers import add_gallery, open_gallery


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("gallery remove", __doc__)
    add_gallery(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--image", nargs="+", default=[], help="names of pictures")
    which.add_argument("--older-than", metavar="TIME", help="date or seconds")
    args = parser.parse_args(argv)
    with exit_on_bad_input("mmpersonsearch gallery remove"):
        before = None if args.older_than is None else seconds(args.older_than)
        with open_gallery(args) as gallery:
            number = gallery.remove(args.image, before)
    print(f"removed {number} pictures")
    sys.exit(0 if number else 1)
