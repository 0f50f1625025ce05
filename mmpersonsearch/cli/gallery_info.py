"""Tell what a gallery has: pictures, persons, model, threshold, root."""

from __future__ import annotations

from .command_line import exit_on_bad_input, make_parser, print_table
from .searchers import add_gallery, open_gallery


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("gallery info", __doc__)
    add_gallery(parser)
    args = parser.parse_args(argv)
    with exit_on_bad_input("mmpersonsearch gallery info"), open_gallery(args) as gallery:
        pictures, persons = gallery.count()
        facts = {"index": gallery.index["index_type"]}
        facts |= {key: gallery.facts[key] for key in ("model", "fingerprint", "width", "score_thr", "root", "version")}
    print_table(args.gallery, ("", ""), [("pictures", pictures), ("persons", persons), *facts.items()])
