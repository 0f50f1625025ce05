"""Draw queries beside their best matches, from predictions of ``mmpersonsearch test --out``.

mmpersonsearch rank tdn_r50ibn_prw tdn.pkl --out ranking.png
mmpersonsearch rank tdn_r50ibn_prw TDN=tdn.pkl "OIM*"=oim.pkl --ranking similarity rcp --out ranking.png

Several files and rankings are rows of each query (figures 7 and 8 of the TDN paper, 6 and 9 of I-Net's), with its
average precision; --worst-first goes by the first row.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmpersonsearch.evaluation import BaseRanking
from mmpersonsearch.evaluation.metrics import PersonSearchMetric
from mmpersonsearch.evaluation.ranking_list import worst_queries
from mmpersonsearch.structures import RankingList, SearchProtocol
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import check_out
from mmpersonsearch.visualization import ap_title, draw_ranking, open_scene, query_titles, run_title

from .command_line import add_config, add_data_set, count, exit_on_bad_input, make_parser, parse_runs, positive
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


def name_files(words: Sequence[str]) -> dict[str, str]:
    """Read ``['TDN=tdn.pkl', 'OIM=oim.pkl']`` as a dictionary; the name of a single file without one is ''.

    Raises:
        InputError: One of several files has no name, or a name is repeated.
    """
    if len(words) == 1 and (Path(words[0]).exists() or "=" not in words[0]):
        return {"": words[0]}
    return parse_runs(words)


def spread_queries(number: int, protocol: SearchProtocol) -> list[int]:
    """Choose at most ``number`` queries, evenly spaced over all."""
    last = len(protocol.queries) - 1
    return np.linspace(0, last, min(number, last + 1)).round().astype(int).tolist()


def rank_runs(
    args: argparse.Namespace, metric: PersonSearchMetric, gallery: int | None
) -> tuple[list[int], dict[str, list[RankingList]], dict[str, dict[int, float]]]:
    """Rank the queries by each file and ranking.

    Returns:
        The queries' indices, their rankings by the rows' labels, and by label the average precision of each evaluated
        query, where the picture shows it: of several rows, or to find the worst queries, which are those of the first.
    """
    protocol = metric.search_protocol()
    query_inds = args.queries or spread_queries(args.num_queries, protocol)
    paths, by_name = name_files(args.predictions), {name: find_ranking(metric, name) for name in args.ranking}
    show_aps = args.worst_first or len(paths) * len(by_name) > 1
    rankings, aps = {}, {}
    for run, path in paths.items():  # one at a time: embeddings may fill much of the memory
        found = metric.read(path, protocol, det_thr=metric.det_thr)
        for name, ranking in by_name.items():
            label = run_title(run, name) if run else name
            if label in rankings:
                raise InputError(f"two rows would have the name {label!r}, expected others of the predictions")
            inputs = (protocol, *found.searched)
            searched = dict(det_thr=metric.det_thr, ranking=ranking, gallery=gallery)
            if show_aps:
                result = metric.evaluate_one(*inputs, **searched)
                aps[label] = result.ap_by_query()
                if args.worst_first and not rankings:
                    query_inds = worst_queries(result, args.num_queries)
            rankings[label] = metric.rank(*inputs, query_inds, k=args.topk, **searched)
    return query_inds, rankings, aps


def draw(args: argparse.Namespace) -> int:
    """Write the picture and return its number of queries."""
    config = read_config_of(args)
    choose_data_set(config, args.data_set)
    metric, dataset = build_evaluation(config)
    protocol = metric.search_protocol()
    gallery = protocol.main_gallery if args.gallery_size is None else args.gallery_size
    query_inds, rankings, aps = rank_runs(args, metric, gallery)
    labels = list(rankings)
    several = len(labels) > 1
    title = [Path(args.config).stem, *([] if several else labels)]
    title += [] if gallery is None else [f"gallery of {gallery}"]
    first = f" of {labels[0]}" if several else ""
    title += [f"lowest average precision{first} first"] if args.worst_first else []
    titles = (
        [f"query {query}" for query in query_inds] if several else query_titles(protocol, query_inds, *aps.values())
    )
    draw_ranking(
        protocol,
        [row for rows in zip(*rankings.values()) for row in rows],
        lambda img_id: open_scene(dataset.img_path(img_id)),
        args.out,
        title=", ".join(title),
        row_titles=[text for text in titles for _ in labels],
        scenes=args.scenes,
        match_titles=[f"{label}: {ap_title(aps[label], q)}" for q in query_inds for label in labels]
        if several
        else None,
    )
    return len(query_inds)


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("rank", __doc__)
    add_config(parser, "config that was tested")
    add_data_set(parser)
    parser.add_argument(
        "predictions",
        nargs="+",
        metavar="NAME=PREDICTIONS.pkl",
        help="file that mmpersonsearch test --out has written; a single one needs no name",
    )
    parser.add_argument("--out", default="ranking.png", help="picture to write (ranking.png)")
    parser.add_argument("--scenes", action="store_true", help="draw whole scenes, not crops")
    parser.add_argument("--num-queries", type=positive, default=8, help="number of queries, evenly spaced over all (8)")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--queries", type=count, nargs="+", metavar="INDEX", help="draw these queries, counted from 0")
    which.add_argument(
        "--worst-first", action="store_true", help="draw the queries of lowest average precision, lowest first"
    )
    parser.add_argument("--topk", type=positive, default=5, help="matches per query (5)")
    parser.add_argument(
        "--ranking", nargs="+", default=[SIMILARITY], help="names in test_evaluator.rankings, such as rcp"
    )
    parser.add_argument("--gallery-size", type=positive, help="one of the protocol's gallery sizes; default: the first")
    args = parser.parse_args(argv)
    with exit_on_bad_input("mmpersonsearch rank"):
        check_out(args.out, *name_files(args.predictions).values(), suffixes=(".png", ".jpg", ".jpeg", ".pdf", ".svg"))
        number = draw(args)
    print(f"{number} queries with their {args.topk} best matches: {args.out}")
