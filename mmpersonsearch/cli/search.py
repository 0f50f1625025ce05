"""Search a person in a gallery.

mmpersonsearch search archive.gallery --query me.jpg --topk 20 --ranking rcp --out hits.html
mmpersonsearch search archive.gallery --query a.jpg b.jpg --pick 2 1 --cameras north gate --after "2026-11-29 08:00"

Without --box or --pick, the query has to be the only person in its picture; else its persons are listed by number.
Exit status 1 if there is no hit, 2 if the input is wrong.
"""

from __future__ import annotations

import sys

from mmpersonsearch.apis.search import RANKINGS, time_text
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import check_out

from .command_line import exit_on_bad_input, make_parser, positive, print_table
from .searchers import add_effort, add_gallery, add_model, open_gallery, searcher_of


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("search", __doc__)
    add_gallery(parser)
    parser.add_argument("--query", required=True, nargs="+", metavar="IMAGE", help="pictures of the person")
    which = parser.add_mutually_exclusive_group()
    numbers = dict(type=float, nargs=4, action="append", metavar=("X1", "Y1", "X2", "Y2"))
    which.add_argument("--box", **numbers, help="the person, in pixels; once for each picture")
    which.add_argument("--pick", type=positive, metavar="N", help="number of the person, from left to right")
    parser.add_argument("--topk", type=positive, default=20, help="number of hits (20)")
    parser.add_argument("--ranking", choices=RANKINGS, default="similarity", help="similarity, or with context persons")
    parser.add_argument("--num-scenes", type=positive, default=200, help="pictures that rcp orders anew (200)")
    parser.add_argument("--cameras", nargs="+", help="only of these cameras")
    parser.add_argument("--after", metavar="TIME", help="only of this time or later: a date or seconds")
    parser.add_argument("--before", metavar="TIME", help="only earlier than this time")
    parser.add_argument("--min-similarity", type=float, help="least similarity of hits")
    add_effort(parser)
    parser.add_argument("--out", metavar="HITS.json|.html|.png", help="write the hits to this file")
    add_model(parser)
    args = parser.parse_args(argv)
    with exit_on_bad_input("mmpersonsearch search"):
        check_out(args.out, *args.query, suffixes=(".json", ".html", ".png", ".jpg"))
        if args.box is not None and len(args.box) != len(args.query):
            raise InputError(f"--box: {len(args.box)} boxes for {len(args.query)} pictures, expected one each")
        with open_gallery(args) as gallery:
            query = searcher_of(args, gallery).embed(args.query, args.box, args.pick)
            options = dict(cameras=args.cameras, after=args.after, before=args.before, num_scenes=args.num_scenes)
            options |= dict(min_similarity=args.min_similarity, effort=args.effort)
            hits = gallery.search(query, args.topk, args.ranking, **options)
        if args.out:
            kind = args.out.lower().rpartition(".")[2]
            {"json": hits.to_json, "html": hits.to_html}.get(kind, hits.draw)(args.out)
    if not hits:
        print("mmpersonsearch search: no hit", file=sys.stderr)
        sys.exit(1)
    rows = [
        (n, hit.image, f"{hit.similarity:.3f}", hit.camera, "" if hit.time is None else time_text(hit.time))
        for n, hit in enumerate(hits, start=1)
    ]
    print_table(f"{len(hits)} hits", ("", "picture", "similarity", "camera", "time"), rows)
    if args.out:
        print(f"Hits: {args.out}")
