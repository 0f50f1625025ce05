"""Evaluate predictions again, without the model: other rankings, gallery sizes or thresholds; several results in a row.

mmpersonsearch eval predictions.pkl tdn_r50ibn_prw --ranking RankingWithContextPersons threshold=0.4
mmpersonsearch eval predictions.pkl tdn_r50ibn_cuhk --gallery-sizes 50 100 500 --out new.json
mmpersonsearch eval predictions.pkl tdn_r50ibn_prw --compare work_dirs/other/*/result.json
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
from typing import Any

from mmengine.config import Config, DictAction
from rich.console import Console
from rich.table import Table

from mmpersonsearch.evaluation import PersonSearchMetric
from mmpersonsearch.evaluation.predictions import read_predictions
from mmpersonsearch.evaluation.provenance import describe_versions
from mmpersonsearch.evaluation.results import check_protocols, read_result
from mmpersonsearch.registry import METRICS
from mmpersonsearch.utils.files import write_whole

from .run_config import build_test_dataset, find_search_metric, read_config


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="mmpersonsearch eval", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("predictions", help="what mmpersonsearch test --out has written")
    parser.add_argument("config", help="says the data set, the rankings and the thresholds")
    parser.add_argument(
        "--ranking",
        nargs="+",
        action="append",
        metavar=("TYPE", "KEY=VALUE"),
        help="report this ranking beside plain similarity, in place of the config's; may be given several times",
    )
    parser.add_argument(
        "--gallery-sizes", type=int, nargs="+", help="CUHK-SYSU: sizes of galleries, the main one first"
    )
    parser.add_argument("--det-thr", type=float, help="leave out detections with a lower score")
    parser.add_argument("--out", metavar="RESULT.json", help="write the figures to this file")
    parser.add_argument("--compare", nargs="+", default=[], metavar="RESULT.json", help="show these results beside")
    parser.add_argument(
        "--allow-different-protocols",
        action="store_true",
        help="accept predictions for other annotations, and compare results of different protocols",
    )
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE")
    return parser.parse_args(argv)


def change_evaluation(config: Config, args: argparse.Namespace) -> None:
    """Put what the command line asks for into the config's data set and metric.

    Raises:
        ValueError: The config has no metric for person search, or a ranking's parameter is malformed.
    """
    evaluator = find_search_metric(config)
    if args.ranking:
        evaluator.rankings = [None, *map(parse_ranking, args.ranking)]
    if args.det_thr is not None:
        evaluator.det_thr = args.det_thr
    if args.gallery_sizes:
        config.test_dataloader.dataset.gallery_sizes = tuple(args.gallery_sizes)


def parse_ranking(words: list[str]) -> dict[str, Any]:
    """``['RankingWithContextPersons', 'threshold=0.4']`` as a config."""
    kind, *parameters = words
    ranking: dict[str, Any] = {"type": kind}
    for parameter in parameters:
        key, equals, value = parameter.partition("=")
        if not equals:
            raise ValueError(f"--ranking {kind}: expected KEY=VALUE, got {parameter!r}")
        try:
            ranking[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            ranking[key] = value
    return ranking


def evaluate(config: Config, args: argparse.Namespace) -> dict[str, Any]:
    """Figures, and what they depend on."""
    dataset = build_test_dataset(config)
    metric: PersonSearchMetric = METRICS.build(find_search_metric(config))
    metric.dataset_meta = dataset.metainfo
    found = read_predictions(args.predictions, metric.search_protocol(), args.allow_different_protocols)
    figures = metric.compute_figures(found.detections, found.query_feats)
    records = {"model": found.provenance.get("model", {}), "versions": describe_versions()}
    return {**figures, "protocol": metric.protocol_record, **records}


def print_table(results: dict[str, dict[str, Any]]) -> None:
    """Print figures in percent, a column a result."""
    table = Table(title="Search (%)")
    table.add_column("figure")
    for name in results:
        table.add_column(name, justify="right", overflow="fold")
    keys = dict.fromkeys(key for result in results.values() for key, value in result.items() if _is_number(value))
    for key in keys:
        values = [result.get(key) for result in results.values()]
        table.add_row(key, *(f"{100 * value:.2f}" if _is_number(value) else "" for value in values))
    Console().print(table)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        config = read_config(args.config, args.cfg_options)
        change_evaluation(config, args)
        others = {path: read_result(path) for path in args.compare}
        results = {args.predictions: evaluate(config, args), **others}
        if not args.allow_different_protocols:
            check_protocols(results)
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"mmpersonsearch eval: {error.args[0] if error.args else error}")
    if others:
        print_table(results)
    if args.out:
        write_whole(args.out, (json.dumps(results[args.predictions], indent=2) + "\n").encode())
        print(f"Figures: {args.out}")
