"""Draw metrics against the weight of a loss, or any number of a config, that was swept over runs.

A curve is a name and the ``result.json`` of ``mmpersonsearch test`` for each value, in any order. If a value has
several results, such as those of several seeds, their mean and standard deviation are drawn.
Figure 1 of Munjal et al. (BMVC 2019), lambda_oim, and figure 13 of I-Net's paper, alpha:

mmpersonsearch plot lambda --curve OIM 1=oim/result.json 0.3=oim_03/result.json \\
    --curve "OIM + KD_det" 1=kd_det/result.json --detector DET_50=faster-rcnn/result.json --out figures/lambda
mmpersonsearch plot lambda --key "roi_head.reid_head.loss_pair.loss_weight (α)" \\
    --metrics person_search/mAP person_search/top-1 \\
    --curve DC-I-Net 0.5=alpha_05/result.json 1=dc_inet/result.json --out figures/alpha

Writes the figure as PNG and SVG, and its numbers, fractions in [0, 1], as JSON.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from statistics import mean, stdev
from typing import Any

from mmpersonsearch.evaluation.provenance import check_protocols, read_result
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.visualization import plot_loss_weights

from .command_line import add_figure, check_figure, exit_on_bad_input, make_parser, save_figure

# Titles of metrics in the figure and its numbers; another metric is called by its key.
TITLES = {"detection/ap": "detection AP", "person_search/mAP": "search mAP", "person_search/top-1": "search top-1"}
DETECTION, SEARCH = list(TITLES)[:2]
OIM_WEIGHT = "Weight of the OIM loss (λ)"


def group_results(words: Sequence[str], option: str, form: str, read_key: Callable[[str], Any]) -> dict[Any, list[str]]:
    """Read ``['DET=a.json', 'DET=b.json']`` as ``{'DET': ['a.json', 'b.json']}``.

    Raises:
        InputError: A word does not have the form, ``read_key`` returns None for its key, or a result is repeated.
    """
    groups = defaultdict(list)
    for word in words:
        text, _, path = word.partition("=")
        key = read_key(text)
        if key in (None, "") or not path or path in groups[key]:
            raise InputError(f"{option}: expected {form}, each result once, got {word!r}")
        groups[key].append(path)
    return dict(groups)


def read_value(text: str) -> float | None:
    """Read a finite number; None for any other text."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def parse_curves(words: Sequence[Sequence[str]]) -> dict[str, dict[float, list[str]]]:
    """Read ``[['OIM', '1=a.json', '0.3=b.json']]`` as ``{'OIM': {0.3: ['b.json'], 1.0: ['a.json']}}``.

    Raises:
        InputError: A name is repeated, a curve has no results or malformed ones.
    """
    curves: dict[str, dict[float, list[str]]] = {}
    for name, *points in words:
        if name in curves or not points:
            raise InputError(f"--curve {name}: expected a name of its own and VALUE=RESULT.json, got {points}")
        results = group_results(points, f"--curve {name}", "VALUE=RESULT.json, values that are numbers", read_value)
        curves[name] = dict(sorted(results.items()))
    return curves


def read_metric(result: dict[str, Any], key: str, path: str) -> float:
    """Return a metric of a result.

    Raises:
        InputError: The result has no such metric.
    """
    if not isinstance(result.get(key), int | float):
        raise InputError(f"{path} has no {key}; expected a result.json of mmpersonsearch test")
    return result[key]


def read_curves(
    curves: dict[str, dict[float, list[str]]], metrics: Sequence[str], allow_different_protocols: bool
) -> dict[str, dict[str, Any]]:
    """Read the results of all curves.

    Returns:
        By name ``weights``, ``results`` and for each metric, by its title, means and, as ``<title>, spread``, sample
        standard deviations.

    Raises:
        FileNotFoundError: A result does not exist.
        InputError: A result lacks a metric or its protocol, or the protocols differ.
    """
    paths = [path for by_weight in curves.values() for of_weight in by_weight.values() for path in of_weight]
    results = {path: read_result(path) for path in paths}
    if not allow_different_protocols:
        check_protocols(results)
    content: dict[str, dict[str, Any]] = {}
    for name, by_weight in curves.items():
        content[name] = {"weights": list(by_weight), "results": list(by_weight.values())}
        for key in metrics:
            title = TITLES.get(key, key)
            values = [[read_metric(results[path], key, path) for path in of_weight] for of_weight in by_weight.values()]
            content[name][title] = list(map(mean, values))
            content[name][f"{title}, spread"] = [stdev(one) if len(one) > 1 else 0.0 for one in values]
    return content


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("plot lambda", __doc__)
    parser.add_argument(
        "--curve",
        nargs="+",
        action="append",
        required=True,
        metavar=("NAME", "VALUE=RESULT.json"),
        help="name in the figure, and one or several results per value; may be repeated",
    )
    parser.add_argument(
        "--detector",
        nargs="+",
        default=[],
        metavar="NAME=RESULT.json",
        help="detectors without Re-ID: the AP, averaged over the results of a name, is drawn as a level line",
    )
    parser.add_argument(
        "--metrics",
        nargs="+",
        default=[DETECTION, SEARCH],
        metavar="METRIC",
        help=f"keys of the results, a panel each, such as person_search/top-1; default: {DETECTION} {SEARCH}",
    )
    parser.add_argument("--key", default=OIM_WEIGHT, help="what was swept, the title of the axis; default: %(default)s")
    add_figure(parser)
    parser.add_argument("--allow-different-protocols", action="store_true", help="compare anyway")
    args = parser.parse_args(argv)
    with exit_on_bad_input("mmpersonsearch plot lambda"):
        paths = parse_curves(args.curve)
        detectors = group_results(args.detector, "--detector", "NAME=RESULT.json", str)
        by_weight = [one for of_curve in paths.values() for one in of_curve.values()]
        check_figure(args.out, *(path for of_value in (*by_weight, *detectors.values()) for path in of_value))
        metrics = list(dict.fromkeys(args.metrics))
        if detectors and DETECTION not in metrics:
            raise InputError(f"--detector needs {DETECTION} among the --metrics, got {', '.join(metrics)}")
        curves = read_curves(paths, metrics, args.allow_different_protocols)
        levels = {
            name: mean(read_metric(read_result(path, needs_protocol=False), DETECTION, path) for path in of_name)
            for name, of_name in detectors.items()
        }
        figure = plot_loss_weights(curves, levels, [TITLES.get(key, key) for key in metrics], args.key)
    numbers = {"key": args.key, "curves": curves, "detectors": levels, "detector_results": detectors}
    save_figure(figure, numbers, args.out)
