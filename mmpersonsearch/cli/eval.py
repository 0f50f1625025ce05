"""Evaluate predictions without the model, with other rankings, gallery sizes or thresholds; compare results.

mmpersonsearch eval predictions.pkl tdn_r50ibn_prw --ranking RankingWithContextPersons threshold=0.4
mmpersonsearch eval predictions.pkl tdn_r50ibn_cuhk --gallery-sizes 50 100 500 --out new.json
mmpersonsearch eval predictions.pkl tdn_r50ibn_prw --compare work_dirs/other/*/result.json
"""

from __future__ import annotations

import argparse
import ast
import sys
from typing import Any

from mmengine.config import Config

from mmpersonsearch.evaluation.provenance import check_protocols, describe_versions, read_result
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import check_out

from .command_line import (
    add_config,
    add_data_set,
    exit_on_bad_input,
    fraction,
    make_parser,
    positive,
    print_table,
    write_json,
)
from .run_config import build_evaluation, choose_data_set, find_search_metric, read_config_of


def change_evaluation(config: Config, args: argparse.Namespace) -> None:
    """Set rankings, threshold and gallery sizes in the config.

    Raises:
        InputError: The config has no person search metric, or a ranking's parameter is malformed.
    """
    evaluator = find_search_metric(config)
    if args.ranking:
        evaluator.rankings = [None, *map(parse_ranking, args.ranking)]
    if args.det_thr is not None:
        evaluator.det_thr = args.det_thr
    if args.gallery_sizes:
        config.test_dataloader.dataset.gallery_sizes = tuple(args.gallery_sizes)


def parse_ranking(words: list[str]) -> dict[str, Any]:
    """Read ``['RankingWithContextPersons', 'threshold=0.4']`` as a config."""
    kind, *parameters = words
    ranking: dict[str, Any] = {"type": kind}
    for parameter in parameters:
        key, equals, value = parameter.partition("=")
        if not equals:
            raise InputError(f"--ranking {kind}: expected KEY=VALUE, got {parameter!r}")
        try:
            ranking[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            ranking[key] = value
    return ranking


def evaluate(config: Config, args: argparse.Namespace) -> dict[str, Any]:
    """Return the metrics with records of the protocol, the model and the versions."""
    metric, _ = build_evaluation(config)
    protocol = metric.search_protocol()
    found = metric.read(args.predictions, protocol, args.allow_different_protocols, det_thr=metric.det_thr)
    lowest = min((scores.min().item() for scores in found.scores if len(scores)), default=0.0)
    if args.det_thr is not None and args.det_thr < lowest and "score_thr" not in found.provenance.get("model", {}):
        print(
            f"WARNING: --det-thr {args.det_thr} leaves out nothing: the lowest score in {args.predictions}, which does "
            f"not record its model's score_thr, is {lowest:.3g}",
            file=sys.stderr,
        )
    metrics = metric.measure(*found.searched)
    records = {"model": found.provenance.get("model", {}), "versions": describe_versions()}
    return {**metrics, "protocol": metric.protocol_record, **records}


def print_results(results: dict[str, dict[str, Any]]) -> None:
    """Print metrics in percent, one column per result."""
    numbers = [
        {key: f"{100 * value:.2f}" for key, value in result.items() if isinstance(value, int | float)}
        for result in results.values()
    ]
    keys = dict.fromkeys(key for result in numbers for key in result)
    print_table("Search (%)", ("metric", *results), [(key, *(one.get(key) for one in numbers)) for key in keys])


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("eval", __doc__)
    parser.add_argument("predictions", help="file that mmpersonsearch test --out has written")
    add_config(parser, "config of the data set, the rankings and the thresholds")
    add_data_set(parser)
    parser.add_argument(
        "--ranking",
        nargs="+",
        action="append",
        metavar=("TYPE", "KEY=VALUE"),
        help="report this ranking and plain similarity instead of the config's rankings; may be repeated",
    )
    parser.add_argument("--gallery-sizes", type=positive, nargs="+", help="gallery sizes (CUHK-SYSU), main one first")
    parser.add_argument("--det-thr", type=fraction, help="skip detections with a lower score")
    parser.add_argument("--out", metavar="RESULT.json", help="write the metrics to this file")
    parser.add_argument("--compare", nargs="+", default=[], metavar="RESULT.json", help="print these results too")
    parser.add_argument(
        "--allow-different-protocols",
        action="store_true",
        help="accept predictions for other annotation files, and compare results of different protocols",
    )
    args = parser.parse_args(argv)
    with exit_on_bad_input("mmpersonsearch eval"):
        check_out(args.out, args.predictions, *args.compare, suffixes=(".json",))
        config = read_config_of(args)
        choose_data_set(config, args.data_set)
        change_evaluation(config, args)
        others = {path: read_result(path) for path in args.compare}
        results = {args.predictions: evaluate(config, args), **others}
        if not args.allow_different_protocols:
            check_protocols(results)
    if others:
        print_results(results)
    write_json(args.out, results[args.predictions])
