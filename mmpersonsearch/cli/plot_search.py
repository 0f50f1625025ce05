"""Plot search results of one or several runs, from predictions of ``mmpersonsearch test --out``.

mmpersonsearch plot search gallery-size tdn_r50ibn_cuhk TDN=tdn.pkl "OIM*"=oim.pkl --out figures/gallery_size
mmpersonsearch plot search rcp tdn_r50ibn_prw TDN=tdn.pkl --out figures/rcp --thresholds 0.2 0.3 0.4
mmpersonsearch plot search precision-recall tdn_r50ibn_prw TDN=tdn.pkl "OIM*"=oim.pkl --out figures/curves

The last one shows what the search uses: detections from the config's det_thr on. The whole curve of the detection also
needs those that models leave out in testing; detectors without Re-ID take part (figure 8 of I-Net's paper):

mmpersonsearch test tdn_r50ibn_prw tdn.pth --out tdn.pkl --cfg-options model.test_cfg.rcnn.score_thr=0
mmpersonsearch plot search detection tdn_r50ibn_prw TDN=tdn.pkl "Faster R-CNN"=detector.pkl --out figures/detection

Writes the figure as PNG and SVG, and its numbers, fractions in [0, 1], as JSON.
"""

from __future__ import annotations

import argparse
from argparse import ArgumentDefaultsHelpFormatter
from collections.abc import Sequence
from typing import Any

from mmengine.config import Config

from mmpersonsearch.evaluation import (
    RankingWithContextPersons,
    SearchResult,
    detection_curve,
    evaluate_searches,
    search_curve,
)
from mmpersonsearch.evaluation.metrics import PersonSearchMetric
from mmpersonsearch.evaluation.predictions import Predictions, read_predictions
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.visualization import plot_detection, plot_gallery_sizes, plot_precision_recall, plot_rcp_parameters

from .command_line import (
    add_config,
    add_data_set,
    add_figure,
    add_runs,
    check_figure,
    exit_on_bad_input,
    fraction,
    inner_fraction,
    make_parser,
    parse_runs,
    positive,
    save_figure,
)
from .run_config import build_evaluation, choose_data_set, read_config_of

PAPER_SIZES = (50, 100, 500, 1000, 2000, 4000)
PAPER_STEPS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def measure_gallery_sizes(args: argparse.Namespace, metric: PersonSearchMetric, run: Predictions) -> dict[str, Any]:
    """Measure mAP and top-1 by gallery size, with and without RCP."""
    results = _search(metric, run, [None, args.rcp], args.sizes)
    return {
        ranking or "similarity": _metrics([result for result in results if result.ranking == ranking])
        for ranking in (None, args.rcp.name)
    }


def measure_rcp(args: argparse.Namespace, metric: PersonSearchMetric, run: Predictions) -> dict[str, Any]:
    """Measure mAP and top-1 by RCP's threshold and weight."""
    by_threshold = [(threshold, args.weight) for threshold in args.thresholds]
    by_weight = [(args.threshold, weight) for weight in args.weights]
    rankings = {
        (b, weight): RankingWithContextPersons(b, weight, name=f"rcp b={b} lambda={weight}")
        for b, weight in by_threshold + by_weight
    }
    main_gallery = metric.search_protocol().main_gallery
    plain, *ranked = _search(metric, run, [None, *rankings.values()], [main_gallery])
    by_parameters = dict(zip(rankings, ranked))
    return {
        "similarity": {name: value for name, (value,) in _metrics([plain]).items()},
        "threshold": _metrics([by_parameters[parameters] for parameters in by_threshold]),
        "weight": _metrics([by_parameters[parameters] for parameters in by_weight]),
    }


def measure_curves(args: argparse.Namespace, metric: PersonSearchMetric, run: Predictions) -> dict[str, Any]:
    """Compute precision-recall curves of the search, with and without RCP, and of the detection of all persons."""
    protocol = metric.search_protocol()
    searches = {}
    for name, ranking in (("similarity", None), (args.rcp.name, args.rcp)):
        curve = search_curve(protocol, run.detections, run.query_feats, metric.det_thr, ranking, protocol.main_gallery)
        searches[name] = dict(recall=curve.recalls.tolist(), precision=curve.precisions.tolist(), mAP=curve.mAP)
    return {"search": searches, **_measure_detection(metric, run, metric.det_thr)}


def measure_detection(args: argparse.Namespace, metric: PersonSearchMetric, run: Predictions) -> dict[str, Any]:
    """Compute precision-recall curves of the detection of all persons, of all detections that the files have."""
    return _measure_detection(metric, run, args.det_thr)


def _measure_detection(metric: PersonSearchMetric, run: Predictions, det_thr: float) -> dict[str, Any]:
    truth, ignored = zip(*((image.bboxes, image.ignored_bboxes) for image in metric.search_protocol().images))
    found = detection_curve(truth, run.detections, metric.iou_thr, det_thr, ignored)
    detection = dict(recall=found.recalls.tolist(), precision=found.precisions.tolist())
    return {"detection": {**detection, "score": found.scores.tolist(), "ap": found.ap}}


# Of each kind of figure, the function that measures a run, and the one that draws the runs' numbers at the values of
# the arguments.
KINDS = {
    "gallery-size": (measure_gallery_sizes, lambda values, runs: plot_gallery_sizes(values["sizes"], runs)),
    "rcp": (measure_rcp, lambda values, runs: plot_rcp_parameters(runs=runs, **values)),
    "precision-recall": (measure_curves, lambda values, runs: plot_precision_recall(runs)),
    "detection": (measure_detection, lambda values, runs: plot_detection(runs)),
}
# Arguments that a figure depends on, where its kind has them.
VALUES = ("sizes", "thresholds", "weights", "threshold", "weight", "det_thr")


def _search(metric: PersonSearchMetric, run: Predictions, rankings: list, galleries: list) -> list[SearchResult]:
    """Evaluate all rankings and galleries on the same similarities."""
    return evaluate_searches(
        metric.search_protocol(),
        run.detections,
        run.query_feats,
        det_thr=metric.det_thr,
        topk=(1,),
        rankings=rankings,
        galleries=galleries,
    )


def _metrics(results: Sequence[SearchResult]) -> dict[str, list[float]]:
    return {"mAP": [result.mAP for result in results], "top-1": [result.topk[1] for result in results]}


def set_gallery_sizes(config: Config, sizes: Sequence[int]) -> None:
    """Set the gallery sizes of the test split.

    Raises:
        InputError: It has only one gallery.
    """
    dataset = config.test_dataloader.dataset
    if "gallery_sizes" not in dataset:
        raise InputError(
            f"{config.filename}: test_dataloader.dataset has no gallery_sizes, expected a data set with galleries "
            "of several sizes, such as CUHK-SYSU"
        )
    dataset.gallery_sizes = tuple(sizes)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = make_parser("plot search", __doc__)
    commands = parser.add_subparsers(dest="kind", required=True)
    for name, (measure, _) in KINDS.items():
        text = measure.__doc__
        command = commands.add_parser(name, help=text, description=text, formatter_class=ArgumentDefaultsHelpFormatter)
        add_config(command, "config of the test split and the thresholds")
        add_data_set(command)
        add_runs(command)
        add_figure(command)
        if name == "detection":
            command.add_argument("--det-thr", type=fraction, default=0.0, help="least score of a detection")
            continue
        command.add_argument("--threshold", type=fraction, default=0.3, help="RCP's threshold, the paper's b")
        command.add_argument("--weight", type=inner_fraction, default=0.2, help="RCP's weight, the paper's lambda")
    sizes, rcp = commands.choices["gallery-size"], commands.choices["rcp"]
    sizes.add_argument("--sizes", type=positive, nargs="+", default=PAPER_SIZES, help="gallery sizes")
    rcp.add_argument("--thresholds", type=fraction, nargs="+", default=PAPER_STEPS, help="b's, at the fixed weight")
    rcp.add_argument(
        "--weights", type=inner_fraction, nargs="+", default=PAPER_STEPS, help="lambdas, at the fixed threshold"
    )
    args = parser.parse_args(argv)
    for name in {"sizes", "thresholds", "weights"} & vars(args).keys():
        setattr(args, name, sorted(set(getattr(args, name))))
    return args


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    measure, draw = KINDS[args.kind]
    values = {name: getattr(args, name) for name in VALUES if hasattr(args, name)}
    with exit_on_bad_input("mmpersonsearch plot search"):
        check_figure(args.out)
        if args.kind != "detection":
            args.rcp = RankingWithContextPersons(args.threshold, args.weight)
        paths = parse_runs(args.runs)
        config = read_config_of(args)
        choose_data_set(config, args.data_set)
        if args.kind == "gallery-size":
            set_gallery_sizes(config, args.sizes)
        metric, _ = build_evaluation(config)
        protocol = metric.search_protocol()
        # A whole detection curve has what the file has.
        needs = dict(fields=("bboxes", "scores")) if args.kind == "detection" else dict(det_thr=metric.det_thr)
        runs, sources = {}, {}
        for name, path in paths.items():  # one at a time: embeddings may fill much of the memory
            found = read_predictions(path, protocol, args.allow_different_protocols, **needs)
            runs[name] = measure(args, metric, found)
            if args.kind == "detection" and (scores := runs[name]["detection"]["score"]):
                recall = 100 * runs[name]["detection"]["recall"][-1]
                print(f"{name}: the curve ends at score {scores[-1]:.3f}, recall {recall:.1f}%")
            sources[name] = {"predictions": path, **found.provenance}
        figure = draw(values, runs)
    facts = {"kind": args.kind, "config": args.config, "data": dict(protocol.data), "det_thr": metric.det_thr}
    save_figure(figure, {**facts, **values, "runs": runs, "sources": sources}, args.out)
