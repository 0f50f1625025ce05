"""Choose the least similarity of a model's hits on labelled pictures, and store it as the default of search.

mmpersonsearch calibrate --dataset COCO --data-root data/own --ann-file test.json --img-prefix images --split train
mmpersonsearch calibrate --dataset PRW --split test --model tdn_r50ibn_prw --weights tdn.pth --precision 0.95

Each labelled person is searched for in all other pictures. The lowest similarity that reaches the wanted rate is
stored by the model's fingerprint: search takes it for galleries of this model. Take data like your own that the model
has not seen in training.
"""

from __future__ import annotations

import numpy as np

from mmpersonsearch.apis.calibration import Calibration, measure_searcher
from mmpersonsearch.evaluation.hit_curve import HitCurve

from .command_line import exit_on_bad_input, fraction, inner_fraction, make_parser, positive, print_table
from .scene_datasets import add_dataset_arguments, dataset_of
from .searchers import add_model, build_searcher

_STEP = 0.05


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("calibrate", __doc__)
    add_dataset_arguments(parser, ("PRW", "CUHK-SYSU", "COCO"))
    wanted = parser.add_mutually_exclusive_group()
    rate = dict(type=inner_fraction, metavar="RATE")
    wanted.add_argument("--false-positive-rate", **rate, help="of pictures without the person, those with a hit (0.01)")
    wanted.add_argument("--precision", type=fraction, metavar="P", help="of the hits, those that are right")
    parser.add_argument("--score-thr", type=fraction, help="least score of persons; default: the config's det_thr")
    parser.add_argument("--batch-size", type=positive, default=1, help="pictures at a time (1)")
    parser.add_argument("--max-queries", type=positive, default=2000, help="of more persons, evenly spaced ones (2000)")
    add_model(parser)
    args = parser.parse_args(argv)
    with exit_on_bad_input("mmpersonsearch calibrate"):
        dataset = dataset_of(args)
        searcher = build_searcher(args)
        curve = measure_searcher(searcher, dataset, args.score_thr, args.batch_size, args.max_queries)
        rate = None if args.precision is not None else args.false_positive_rate or 0.01
        print_curve(curve)
        place = curve.choose(args.precision, rate)
        limit = f"false positive rate <= {rate}" if rate else f"precision >= {args.precision}"
        data = dataset.ann_file or dataset.data_root
        least = float(curve.thresholds[place])
        stored = Calibration(least, f"{limit} on {data}", searcher.fingerprint, searcher.name).store()
    print_curve(curve, [place])
    print(f"Least similarity: {least:.3f} ({limit}), for {searcher.name} ({searcher.fingerprint}): {stored}")


def print_curve(curve: HitCurve, places: list[int] | None = None) -> None:
    """Print the metrics at the places, by default those of each twentieth."""
    if places is None:
        steps = np.arange(np.floor(curve.thresholds[0] / _STEP), np.ceil(curve.thresholds[-1] / _STEP)) * _STEP
        places = np.unique(np.searchsorted(curve.thresholds, steps)).tolist()
    columns = (curve.thresholds, curve.hits, curve.precision, curve.recall, curve.false_positive_rate)
    rows = [[f"{columns[0][i]:.3f}", int(columns[1][i]), *(float(one[i]) for one in columns[2:])] for i in places]
    names = ("least similarity", "hits", "precision", "recall", "false positive rate")
    print_table("Hits" if len(places) > 1 else "Chosen", names, rows)
