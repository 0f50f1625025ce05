"""Search a person in a gallery.

mmpersonsearch search archive.gallery --query me.jpg --topk 20 --ranking rcp --out hits.html
mmpersonsearch search archive.gallery --query a.jpg b.jpg --pick 2 1 --cameras north gate --after "2026-11-29 08:00"
mmpersonsearch search archive.gallery --query me.jpg --min-similarity 0.7 --timeline seen.png --gap 30

Without --box or --pick, the query has to be the only person in its picture; else its persons are listed by number.
--timeline groups all hits of --min-similarity into appearances: at one camera, until --gap seconds are without a hit.
Exit status 1 if there is no hit, 2 if the input is wrong.
"""

from __future__ import annotations

import sys

from mmpersonsearch.apis.calibration import find_calibration
from mmpersonsearch.apis.gallery import Gallery
from mmpersonsearch.apis.milvus import LIMIT
from mmpersonsearch.apis.search import RANKINGS, Hits
from mmpersonsearch.apis.timeline import Timeline
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import check_out
from mmpersonsearch.utils.times import time_text

from .command_line import exit_on_bad_input, make_parser, positive, print_table, read_number
from .searchers import add_effort, add_gallery, add_model, open_gallery, searcher_of


def seconds(text: str) -> float:
    """Read a number above 0."""
    return read_number(text, float, lambda number: number > 0, "seconds above 0")


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("search", __doc__)
    add_gallery(parser)
    parser.add_argument("--query", required=True, nargs="+", metavar="IMAGE", help="pictures of the person")
    which = parser.add_mutually_exclusive_group()
    numbers = dict(type=float, nargs=4, action="append", metavar=("X1", "Y1", "X2", "Y2"))
    which.add_argument("--box", **numbers, help="the person, in pixels; once for each picture")
    which.add_argument("--pick", type=positive, nargs="+", metavar="N", help="number of the person, from left to right")
    parser.add_argument("--topk", type=positive, default=20, help="number of hits (20)")
    parser.add_argument("--ranking", choices=RANKINGS, default="similarity", help="similarity, or with context persons")
    parser.add_argument("--num-scenes", type=positive, default=200, help="pictures that rcp orders anew (200)")
    parser.add_argument("--cameras", nargs="+", help="only of these cameras")
    parser.add_argument("--after", metavar="TIME", help="only of this time or later: a date or seconds")
    parser.add_argument("--before", metavar="TIME", help="only earlier than this time")
    parser.add_argument("--min-similarity", type=float, help="least similarity of hits; default: that of calibrate")
    add_effort(parser)
    parser.add_argument("--out", metavar="HITS.json|.html|.png", help="write the hits to this file")
    parser.add_argument("--timeline", metavar="SEEN.png|.svg|.json", help="write when and where the person was seen")
    gap = dict(type=seconds, default=10.0, metavar="SECONDS")
    parser.add_argument("--gap", **gap, help="time without a hit that ends an appearance (10)")
    add_model(parser)
    args = parser.parse_args(argv)
    with exit_on_bad_input("mmpersonsearch search"):
        check_out(args.out, *args.query, suffixes=(".json", ".html", ".png", ".jpg"))
        check_out(args.timeline, *args.query, suffixes=(".json", ".png", ".svg", ".pdf", ".jpg"), option="--timeline")
        if args.timeline and args.ranking != "similarity":
            raise InputError("--timeline is of all hits, in the order of time: expected --ranking similarity")
        if args.box is not None and len(args.box) != len(args.query):
            raise InputError(f"--box: {len(args.box)} boxes for {len(args.query)} pictures, expected one each")
        with open_gallery(args) as gallery:
            least = args.min_similarity if args.min_similarity is not None else stored_similarity(gallery)
            if args.timeline and least is None:
                raise InputError("--timeline: expected --min-similarity, without which each picture has a hit")
            query = searcher_of(args, gallery).embed(args.query, args.box, args.pick)
            topk = None if args.timeline else args.topk
            options = dict(cameras=args.cameras, after=args.after, before=args.before, num_scenes=args.num_scenes)
            options |= dict(min_similarity=least, effort=args.effort)
            hits = gallery.search(query, topk, args.ranking, **options)
        number, timeline = len(hits), hits.timeline(args.gap) if args.timeline else None
        hits = Hits(hits[: args.topk], hits.query, hits.root)
        if args.out:
            kind = args.out.lower().rpartition(".")[2]
            {"json": hits.to_json, "html": hits.to_html}.get(kind, hits.draw)(args.out)
        if timeline:
            (timeline.to_json if args.timeline.lower().endswith(".json") else timeline.draw)(args.timeline)
        elif hits and args.timeline:
            raise InputError(f"--timeline: none of the {number} hits has a time, which index --time-format reads")
    if not hits:
        print("mmpersonsearch search: no hit", file=sys.stderr)
        sys.exit(1)
    if timeline is None:
        print_hits(hits, args.ranking)
    else:
        print_timeline(timeline, number)
    for what, path in (("Hits", args.out), ("Timeline", args.timeline)):
        if path:
            print(f"{what}: {path}")


def stored_similarity(gallery: Gallery) -> float | None:
    """Return the least similarity that calibrate stored for the gallery's model, and say so; None without one."""
    stored = find_calibration(gallery.facts["fingerprint"])
    if stored is None:
        return None
    text = f"hits of similarity {stored.min_similarity:.3f} or more ({stored.criterion}); --min-similarity: another"
    print(f"mmpersonsearch search: {text}", file=sys.stderr)
    return stored.min_similarity


def print_hits(hits: Hits, ranking: str) -> None:
    """Print the hits, and what they are ordered by where that is another number than the similarity."""
    names = ["similarity", *([ranking] if ranking != "similarity" else [])]
    rows = []
    for n, hit in enumerate(hits, start=1):
        numbers = [f"{number:.3f}" for number in (hit.similarity, hit.ranked)[: len(names)]]
        rows.append((n, hit.image, *numbers, hit.camera, "" if hit.time is None else time_text(hit.time)))
    print_table(f"{len(hits)} hits", ("", "picture", *names, "camera", "time"), rows)


def print_timeline(timeline: Timeline, number: int) -> None:
    """Print the appearances of a number of hits, and what is not among them."""
    rows = []
    for one in timeline.rows():
        times = time_text(one["start"]), time_text(one["end"])
        rows.append((one["place"], *times, one["pictures"], f"{one['similarity']:.3f}", one["image"]))
    columns = ("place", "from", "to", "pictures", "similarity", "best picture")
    print_table(f"appearances: {len(timeline)}", columns, rows)
    if timeline.undated:
        print(f"{timeline.undated} of {number} hits have no time and are not shown", file=sys.stderr)
    if number == LIMIT:
        print(f"only the {number} most similar hits are shown: search a part by --after, --before", file=sys.stderr)
