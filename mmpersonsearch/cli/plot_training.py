"""Plot scalars of trainings against iterations (figure 12 of I-Net's paper).

mmpersonsearch plot training DC-I-Net=work_dirs/dc_inet_vgg16_cuhk I-Net=work_dirs/inet_vgg16_cuhk \\
    --scalars person_search/mAP person_search/top-1 --out figures/training

A run is a work dir, of which the logs of all its starts are joined, or one scalars.json. What a resumed training
repeats replaces the earlier records. A metric that is logged by epoch stands at the epoch's last logged iteration.
--smooth N draws at each record the mean of the last N, over the pale records as they are. Metrics of validations need
train_cfg.val_interval; identity/accuracy, on the true boxes of the training images, needs its hook:

mmpersonsearch train dc_inet_vgg16_cuhk --cfg-options train_cfg.val_interval=5000 \\
    default_hooks.identity_accuracy.type=IdentityAccuracyHook

Writes the figure as PNG and SVG, and its numbers, with fractions in [0, 1], as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import describe_file
from mmpersonsearch.visualization import plot_training

from .command_line import (
    add_figure,
    check_figure,
    exit_on_bad_input,
    make_parser,
    parse_runs,
    positive,
    save_figure,
)

PLACES = ("iter", "step", "epoch")  # keys that say where a record stands
Curves = dict[str, list[tuple[int, float]]]


def find_logs(path: str) -> list[Path]:
    """Find the logs of a training: the file itself, or those of a work dir's starts, in order.

    Raises:
        FileNotFoundError: There is no such file or folder.
        InputError: A folder has no logs.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"{path} does not exist, expected the work dir of a training or its scalars.json")
    if Path(path).is_file():
        return [Path(path)]
    logs = sorted(Path(path).glob("*/vis_data/scalars.json"))  # folders are called by the time of the start
    if not logs:
        raise InputError(f"{path} has no */vis_data/scalars.json, expected the work dir of a training")
    return logs


def read_log(path: Path) -> list[tuple[int, dict[str, float]]]:
    """Read the records of one start of a training.

    Returns:
        Iterations and scalars, in the order of the file.

    Raises:
        InputError: It is no text, or a line is no record. The last one may be cut off, which is printed.
    """
    found, last = [], 0
    try:
        lines = path.read_text().splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{path} {describe_file(path)}, expected scalars.json of a training") from None
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            last = max(last, int(record.get("iter", record["step"])))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            if number == len(lines) and number > 1:
                print(f"{path}: its last line is cut off and skipped", file=sys.stderr)
                continue
            raise InputError(f"{path}, line {number}: expected a record of a training log: {error!r}") from None
        # A validation has no "iter", but a time of its own, which is not training's. If it is logged by epoch, its step
        # is the epoch's number, which is no iteration.
        skipped = PLACES if "iter" in record else (*PLACES, "time", "data_time")
        values = {key: value for key, value in record.items() if key not in skipped and isinstance(value, int | float)}
        found.append((last, values))
    return found


def read_training(path: str) -> Curves:
    """Read and join the logs of a training; see :func:`find_logs` and :func:`read_log`.

    Returns:
        By scalar (iteration, value) in ascending order. Each start replaces what earlier ones have from its first
        record on.
    """
    curves: Curves = {}
    for log in find_logs(path):
        records = read_log(log)
        if records:
            curves = {key: [one for one in curve if one[0] < records[0][0]] for key, curve in curves.items()}
        for iteration, values in records:
            for key, value in values.items():
                curves.setdefault(key, []).append((iteration, value))
    return {key: curve for key, curve in curves.items() if curve}


def smooth(values: Sequence[float], window: int) -> list[float]:
    """Compute at each value the mean of the last ``window`` values up to it, of fewer at the beginning."""
    # Each sum is of its own values: differences of running sums would carry a NaN on to the end.
    sums = np.convolve(values, np.ones(window))[: len(values)]
    return (sums / np.minimum(np.arange(1, len(values) + 1), window)).tolist()


def choose_scalars(trainings: dict[str, Curves], scalars: Sequence[str], window: int) -> dict[str, dict[str, Any]]:
    """Return the runs' iterations, values and smoothed values of some scalars.

    Raises:
        InputError: No run has one of them.
    """
    known = sorted({key for curves in trainings.values() for key in curves})
    if missing := [scalar for scalar in scalars if scalar not in known]:
        raise InputError(f"--scalars {missing[0]}: expected some of {', '.join(known)}")
    runs: dict[str, dict[str, Any]] = {}
    for name, curves in trainings.items():
        runs[name] = {}
        for scalar in (scalar for scalar in scalars if scalar in curves):
            iterations, values = map(list, zip(*curves[scalar]))
            runs[name][scalar] = dict(iterations=iterations, values=values, smoothed=smooth(values, window))
    return runs


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("plot training", __doc__)
    parser.add_argument(
        "runs", nargs="+", metavar="NAME=WORK_DIR", help="name in the figure, and the training's folder"
    )
    parser.add_argument("--scalars", nargs="+", default=["loss"], metavar="SCALAR", help="a panel each; default: loss")
    parser.add_argument("--smooth", type=positive, default=1, metavar="N", help="window of the mean, in records (1)")
    add_figure(parser)
    args = parser.parse_args(argv)
    with exit_on_bad_input("mmpersonsearch plot training"):
        paths = parse_runs(args.runs, "WORK_DIR")
        logs = {name: find_logs(path) for name, path in paths.items()}
        check_figure(args.out, *(str(log) for of_run in logs.values() for log in of_run))
        scalars = list(dict.fromkeys(args.scalars))
        runs = choose_scalars({name: read_training(path) for name, path in paths.items()}, scalars, args.smooth)
        figure = plot_training(runs, scalars, args.smooth)
    logs = {name: [str(log) for log in of_run] for name, of_run in logs.items()}
    save_figure(figure, {"scalars": scalars, "smooth": args.smooth, "logs": logs, "runs": runs}, args.out)
