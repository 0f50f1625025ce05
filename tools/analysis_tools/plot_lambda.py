"""Draw detection and search against the weight of the OIM loss (figure 1 of Munjal et al., BMVC 2019).

Each curve is given as its name and the ``result.json`` of ``tools/test.py`` for each weight, in any order:

plot_lambda.py --curve OIM 1=oim/result.json 0.3=oim_03/result.json --curve "OIM + KD_det" 1=kd_det/result.json \\
    --detector DET_50=faster-rcnn/result.json --out figures/lambda

It is written as PNG and SVG; the numbers, shares in [0, 1], are written beside them as JSON.
"""

from __future__ import annotations

import argparse
import math
from typing import Any

from eval_metric import check_protocols, read_figures, read_result
from plot_search import parse_runs, write_figure

from mmpersonsearch.utils.command_line import exit_on_bad_input
from mmpersonsearch.visualization import plot_loss_weights

KEYS = {"detection AP": "detection/ap", "search mAP": "person_search/mAP"}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--curve",
        nargs="+",
        action="append",
        required=True,
        metavar=("NAME", "LAMBDA=RESULT.json"),
        help="name in the figure, and a result for each weight; may be given several times",
    )
    parser.add_argument(
        "--detector",
        nargs="+",
        default=[],
        metavar="NAME=RESULT.json",
        help="detectors alone: their AP becomes a level line",
    )
    parser.add_argument("--out", required=True, metavar="FIGURE_STEM", help="files to write, without their suffixes")
    parser.add_argument("--allow-different-protocols", action="store_true", help="draw them all the same")
    return parser.parse_args(argv)


def parse_curves(words: list[list[str]]) -> dict[str, dict[float, str]]:
    """``[['OIM', '1=a.json', '0.3=b.json']]`` as ``{'OIM': {0.3: 'b.json', 1.0: 'a.json'}}``.

    Raises:
        ValueError: A curve has no results or a name that is taken, a weight is no positive number or comes twice.
    """
    curves: dict[str, dict[float, str]] = {}
    for name, *points in words:
        if name in curves or not points:
            raise ValueError(f"--curve {name}: expected a name of its own and LAMBDA=RESULT.json, got {points}")
        paths = {}
        for point in points:
            weight, _, path = point.partition("=")
            try:
                value = float(weight)
            except ValueError:
                value = math.nan
            if not (0 < value < math.inf and path) or value in paths:
                raise ValueError(f"--curve {name}: expected LAMBDA=RESULT.json, each weight > 0 once, got {point!r}")
            paths[value] = path
        curves[name] = dict(sorted(paths.items()))
    return curves


def read_share(result: dict[str, Any], key: str, path: str) -> float:
    """A figure of a result.

    Raises:
        ValueError: The result has no such figure.
    """
    if not isinstance(result.get(key), int | float):
        raise ValueError(f"{path} has no {key}; expected a result.json of tools/test.py")
    return result[key]


def read_curves(curves: dict[str, dict[float, str]], allow_different_protocols: bool) -> dict[str, dict[str, Any]]:
    """Figures and files of all curves.

    Raises:
        FileNotFoundError: A result does not exist.
        ValueError: A result lacks a figure or its protocol; the protocols differ.
    """
    results = {path: read_result(path) for paths in curves.values() for path in paths.values()}
    if not allow_different_protocols:
        check_protocols(results)
    return {
        name: {
            "weights": list(paths),
            **{title: [read_share(results[path], key, path) for path in paths.values()] for title, key in KEYS.items()},
            "results": list(paths.values()),
        }
        for name, paths in curves.items()
    }


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with exit_on_bad_input("plot_lambda.py"):
        curves = read_curves(parse_curves(args.curve), args.allow_different_protocols)
        detectors = parse_runs(args.detector, "RESULT.json")
        levels = {name: read_share(read_figures(path), KEYS["detection AP"], path) for name, path in detectors.items()}
        figure = plot_loss_weights(curves, levels)
    write_figure(figure, {"curves": curves, "detectors": levels, "detector_results": detectors}, args.out)


if __name__ == "__main__":
    main()
