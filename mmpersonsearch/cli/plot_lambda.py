"""Draw detection and search against the weight of the OIM loss (figure 1 of Munjal et al., BMVC 2019).

Each curve is given as its name and the ``result.json`` of ``mmpersonsearch test`` for each weight, in any order; of
several results for a weight, as of several seeds, mean and standard deviation are drawn:

mmpersonsearch plot lambda --curve OIM 1=oim/result.json 0.3=oim_03/result.json \\
    --curve "OIM + KD_det" 1=kd_det/result.json --detector DET_50=faster-rcnn/result.json --out figures/lambda

The figure is written as PNG and SVG; the numbers, fractions in [0, 1], are written beside them as JSON.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

from mmpersonsearch.evaluation.provenance import check_protocols, read_result
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.visualization import plot_loss_weights

from .command_line import add_figure, exit_on_bad_input, make_parser, save_figure

KEYS = {"detection AP": "detection/ap", "search mAP": "person_search/mAP"}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = make_parser("plot lambda", __doc__)
    parser.add_argument(
        "--curve",
        nargs="+",
        action="append",
        required=True,
        metavar=("NAME", "LAMBDA=RESULT.json"),
        help="name in the figure, and one or several results for each weight; may be given several times",
    )
    parser.add_argument(
        "--detector",
        nargs="+",
        default=[],
        metavar="NAME=RESULT.json",
        help="detectors alone: their AP, the mean of several results of one name, becomes a level line",
    )
    add_figure(parser)
    parser.add_argument("--allow-different-protocols", action="store_true", help="draw them anyway")
    return parser.parse_args(argv)


def parse_curves(words: list[list[str]]) -> dict[str, dict[float, list[str]]]:
    """``[['OIM', '1=a.json', '0.3=b.json']]`` as ``{'OIM': {0.3: ['b.json'], 1.0: ['a.json']}}``.

    Raises:
        InputError: A curve has no results or a name that is taken, a weight is not positive, a result comes twice.
    """
    curves: dict[str, dict[float, list[str]]] = {}
    for name, *points in words:
        if name in curves or not points:
            raise InputError(f"--curve {name}: expected a name of its own and LAMBDA=RESULT.json, got {points}")
        paths = defaultdict(list)
        for point in points:
            weight, _, path = point.partition("=")
            try:
                value = float(weight)
            except ValueError:
                value = math.nan
            if not (0 < value < math.inf and path) or path in paths[value]:
                raise InputError(
                    f"--curve {name}: expected LAMBDA=RESULT.json, weights > 0, each result once, got {point!r}"
                )
            paths[value].append(path)
        curves[name] = dict(sorted(paths.items()))
    return curves


def read_metric(result: dict[str, Any], key: str, path: str) -> float:
    """A metric of a result.

    Raises:
        InputError: The result has no such metric.
    """
    if not isinstance(result.get(key), int | float):
        raise InputError(f"{path} has no {key}; expected a result.json of mmpersonsearch test")
    return result[key]


def parse_detectors(words: list[str]) -> dict[str, list[str]]:
    """``['DET=a.json', 'DET=b.json']`` as ``{'DET': ['a.json', 'b.json']}``.

    Raises:
        InputError: A word is no ``NAME=RESULT.json``, or a result comes twice.
    """
    detectors = defaultdict(list)
    for word in words:
        name, _, path = word.partition("=")
        if not (name and path) or path in detectors[name]:
            raise InputError(f"--detector: expected NAME=RESULT.json, each result once, got {word!r}")
        detectors[name].append(path)
    return dict(detectors)


def spread(values: Sequence[float]) -> float:
    """Standard deviation over a weight's results; 0 of one."""
    return stdev(values) if len(values) > 1 else 0.0


def read_curves(
    curves: dict[str, dict[float, list[str]]], allow_different_protocols: bool
) -> dict[str, dict[str, Any]]:
    """Metrics and files of all curves.

    Raises:
        FileNotFoundError: A result does not exist.
        InputError: A result lacks a metric or its protocol; the protocols differ.
    """
    results = {
        path: read_result(path) for by_weight in curves.values() for paths in by_weight.values() for path in paths
    }
    if not allow_different_protocols:
        check_protocols(results)
    content: dict[str, dict[str, Any]] = {}
    for name, by_weight in curves.items():
        content[name] = {"weights": list(by_weight), "results": list(by_weight.values())}
        for title, key in KEYS.items():
            values = [[read_metric(results[path], key, path) for path in paths] for paths in by_weight.values()]
            content[name][title] = list(map(mean, values))
            content[name][f"{title}, spread"] = list(map(spread, values))
    return content


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with exit_on_bad_input("mmpersonsearch plot lambda"):
        curves = read_curves(parse_curves(args.curve), args.allow_different_protocols)
        detectors, key = parse_detectors(args.detector), KEYS["detection AP"]
        levels = {
            name: mean(read_metric(read_result(path, needs_protocol=False), key, path) for path in paths)
            for name, paths in detectors.items()
        }
        figure = plot_loss_weights(curves, levels)
    save_figure(figure, {"curves": curves, "detectors": levels, "detector_results": detectors}, args.out)
