"""Draw queries beside their best matches, from predictions of ``mmpersonsearch test --out``."""

import argparse
from pathlib import Path

import numpy as np

from mmpersonsearch.evaluation import BaseRanking, evaluate_search, rank_gallery
from mmpersonsearch.evaluation.metrics import PersonSearchMetric
from mmpersonsearch.evaluation.predictions import Predictions, read_predictions
from mmpersonsearch.evaluation.ranking_list import worst_queries
from mmpersonsearch.structures import SearchProtocol
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import check_out
from mmpersonsearch.visualization import draw_ranking, open_scene, query_titles

from .command_line import add_config, add_data_set, exit_on_bad_input, make_parser, positive
from .run_config import build_evaluation, choose_data_set, read_config_of

SIMILARITY = "similarity"


def find_ranking(metric: PersonSearchMetric, name: str) -> BaseRanking | None:
    """Find a ranking of the metric by its name; None is plain similarity.

    Raises:
        InputError: The metric has no ranking of this name.
    """
    rankings = {SIMILARITY: None, **{ranking.name: ranking for ranking in metric.rankings if ranking is not None}}
    if name not in rankings:
        raise InputError(f"--ranking {name}: expected one of test_evaluator.rankings: {', '.join(rankings)}")
    return rankings[name]


def choose_queries(
    args: argparse.Namespace, protocol: SearchProtocol, found: Predictions, searched: dict
) -> tuple[list[int], dict[int, float] | None]:
    """Return the indices of the queries to draw, and all average precisions if the worst are chosen."""
    if args.worst_first:
        result = evaluate_search(protocol, found.detections, found.query_feats, **searched)
        return worst_queries(result, args.num_queries), result.ap_by_query()
    if args.queries:
        return args.queries, None
    last = len(protocol.queries) - 1
    return np.linspace(0, last, min(args.num_queries, last + 1)).round().astype(int).tolist(), None


def draw(args: argparse.Namespace) -> int:
    """Write the picture and return its number of rows."""
    config = read_config_of(args)
    choose_data_set(config, args.data_set)
    metric, dataset = build_evaluation(config)
    ranking, protocol = find_ranking(metric, args.ranking), metric.search_protocol()
    found = read_predictions(args.predictions, protocol, det_thr=metric.det_thr)
    gallery = protocol.main_gallery if args.gallery_size is None else args.gallery_size
    searched = dict(det_thr=metric.det_thr, ranking=ranking, gallery=gallery)
    query_inds, aps = choose_queries(args, protocol, found, searched)
    rankings = rank_gallery(protocol, found.detections, found.query_feats, query_inds, k=args.topk, **searched)
    title = [Path(args.config).stem, args.ranking, *([] if gallery is None else [f"gallery of {gallery}"])]
    title += ["lowest average precision first"] if args.worst_first else []
    draw_ranking(
        protocol,
        rankings,
        lambda img_id: open_scene(dataset.img_path(img_id)),
        args.out,
        title=", ".join(title),
        row_titles=query_titles(protocol, query_inds, aps),
        scenes=args.scenes,
    )
    return len(query_inds)


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("rank", __doc__)
    add_config(parser, "config that was tested")
    add_data_set(parser)
    parser.add_argument("predictions", help="file that mmpersonsearch test --out has written")
    parser.add_argument("--out", default="ranking.png", help="picture to write (ranking.png)")
    parser.add_argument("--scenes", action="store_true", help="draw whole scenes, not crops")
    parser.add_argument("--num-queries", type=positive, default=8, help="number of queries, evenly spaced over all (8)")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--queries", type=int, nargs="+", metavar="INDEX", help="draw these queries, counted from 0")
    which.add_argument(
        "--worst-first", action="store_true", help="draw the queries of lowest average precision, lowest first"
    )
    parser.add_argument("--topk", type=positive, default=5, help="matches per query (5)")
    parser.add_argument("--ranking", default=SIMILARITY, help="name of one of test_evaluator.rankings, such as rcp")
    parser.add_argument("--gallery-size", type=positive, help="one of the protocol's gallery sizes; default: the first")
    args = parser.parse_args(argv)
    with exit_on_bad_input("mmpersonsearch rank"):
        check_out(args.out, args.predictions, suffixes=(".png", ".jpg", ".jpeg", ".pdf", ".svg"))
        number = draw(args)
    print(f"{number} queries with their {args.topk} best matches: {args.out}")
