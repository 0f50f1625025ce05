"""Find the persons of an archive, folders of pictures and videos, and add them to a gallery for search.

mmpersonsearch index archive/ --out archive.gallery --camera folder
mmpersonsearch index vtest.avi --out vtest.gallery --fps 2 --detector-weights yolox.onnx --reid-weights osnet.onnx

What the gallery has already (same path, size and time of change) is not computed again, so that an interrupted run
resumes. Files that cannot be read are skipped and listed; exit status 2 if there is nothing in the gallery then.
"""

from __future__ import annotations

import sys

from mmengine.config import Config
from mmengine.dist import init_dist, is_distributed

from mmpersonsearch.apis.gallery_index import INDEXES
from mmpersonsearch.apis.ranks import in_all_ranks
from mmpersonsearch.engine.launch import join_processes
from mmpersonsearch.utils.errors import InputError

from .command_line import exit_on_bad_input, fraction, make_parser, positive, print_table, read_number
from .searchers import add_model, add_server, build_searcher, server_of


def frames(text: str) -> float:
    """Read a number above 0."""
    return read_number(text, float, lambda number: number > 0, "a number above 0")


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("index", __doc__)
    parser.add_argument("inputs", nargs="+", metavar="FOLDER", help="folders, pictures and videos")
    parser.add_argument("--out", required=True, metavar="GALLERY", help="folder, or address of a Milvus server")
    parser.add_argument("--camera", metavar="folder|REGEX", help="camera: name of a file's folder, or part of its path")
    parser.add_argument("--time-format", metavar="FORMAT", help="time in files' names, such as %%Y%%m%%d_%%H%%M%%S")
    parser.add_argument("--fps", type=frames, default=1.0, help="frames a second that are taken from videos (1)")
    parser.add_argument("--batch-size", type=positive, default=1, help="pictures at a time (1)")
    parser.add_argument("--score-thr", type=fraction, help="least score of persons; default: the config's det_thr")
    parser.add_argument("--index-type", choices=INDEXES, help="FLAT (exact; of a new gallery) or an approximate one")
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    add_model(parser)
    add_server(parser)
    args = parser.parse_args(argv)
    with exit_on_bad_input("mmpersonsearch index"):
        if args.launcher != "none":
            join_processes(Config(dict(launcher=args.launcher)))
            if not is_distributed():
                init_dist(args.launcher)  # with GPUs
        built = []
        in_all_ranks(lambda: built.append(build_searcher(args, args.fps)))
        inputs = args.inputs[0] if len(args.inputs) == 1 else args.inputs
        options = dict(camera=args.camera, time_format=args.time_format, batch_size=args.batch_size)
        options |= dict(score_thr=args.score_thr, index_type=args.index_type)
        gallery = built[0].index(inputs, args.out, **options, **server_of(args))
        if gallery is None:
            return
        with gallery:
            report, (pictures, persons) = gallery.report, gallery.count()
        for path, why in report.skipped.items():
            print(f"skipped: {why if path in why else f'{path}: {why}'}", file=sys.stderr)
        rows = [("added", report.indexed, report.persons), ("in the gallery", pictures, persons)]
        print_table(args.out, ("", "pictures", "persons"), rows)
        if pictures == 0:
            raise InputError(f"nothing could be indexed: {len(report.skipped)} files skipped")
