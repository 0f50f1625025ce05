"""Draw figures of one or several runs, from the predictions that ``mmpersonsearch test --out`` has written.

mmpersonsearch plot search gallery-size tdn_r50ibn_cuhk TDN=tdn.pkl "OIM*"=oim.pkl --out figures/gallery_size
mmpersonsearch plot search rcp tdn_r50ibn_prw TDN=tdn.pkl --out figures/rcp --thresholds 0.2 0.3 0.4
mmpersonsearch plot search precision-recall tdn_r50ibn_prw TDN=tdn.pkl "OIM*"=oim.pkl --out figures/curves

Each is written as PNG and SVG; the numbers, shares in [0, 1], are written beside them as JSON.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from mmengine.config import Config, DictAction

from mmpersonsearch.evaluation import (
    PersonSearchMetric,
    RankingWithContextPersons,
    SearchResult,
    detection_curve,
    evaluate_searches,
    search_curve,
)
from mmpersonsearch.evaluation.predictions import Predictions, read_predictions
from mmpersonsearch.registry import METRICS
from mmpersonsearch.structures import SearchProtocol
from mmpersonsearch.visualization import plot_gallery_sizes, plot_precision_recall, plot_rcp_parameters

from .command_line import exit_on_bad_input
from .figures import parse_runs, write_figure
from .run_config import build_test_dataset, find_search_metric, read_config

PAPER_SIZES = (50, 100, 500, 1000, 2000, 4000)
PAPER_STEPS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass
class Setting:
    """How all runs are evaluated.

    Attributes:
        protocol: Test images, queries and galleries.
        det_thr: Least score of a detection.
        iou_thr: Least IoU of a right detection.
    """

    protocol: SearchProtocol
    det_thr: float
    iou_thr: float

    def search(self, run: Predictions, rankings: Sequence[Any], galleries: list[int | None]) -> list[SearchResult]:
        """Evaluate all rankings and galleries, which share the similarities."""
        return evaluate_searches(
            self.protocol,
            run.detections,
            run.query_feats,
            det_thr=self.det_thr,
            topk=(1,),
            rankings=rankings,
            galleries=galleries,
        )


class GallerySizes:
    """mAP and top-1 against the size of the gallery, with and without RCP."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.sizes = sorted(set(args.sizes))
        self.rcp = RankingWithContextPersons(args.threshold, args.weight)
        self.values = {"sizes": self.sizes, "threshold": args.threshold, "weight": args.weight}

    def change(self, config: Config) -> None:
        """Ask the data set for the galleries."""
        dataset = config.test_dataloader.dataset
        if "gallery_sizes" not in dataset:
            raise ValueError(
                f"{config.filename}: test_dataloader.dataset has no gallery_sizes, expected a data set with galleries "
                "of several sizes, such as CUHK-SYSU"
            )
        dataset.gallery_sizes = tuple(self.sizes)

    def measure(self, setting: Setting, run: Predictions) -> dict[str, Any]:
        """Figures of one run."""
        results = setting.search(run, [None, self.rcp], self.sizes)
        return {
            ranking or "similarity": _figures([result for result in results if result.ranking == ranking])
            for ranking in (None, self.rcp.name)
        }

    def draw(self, runs: dict[str, Any]) -> Figure:
        """The figure of all runs."""
        return plot_gallery_sizes(self.sizes, runs)


class RCPParameters:
    """mAP and top-1 against RCP's threshold and weight."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.values = {
            "thresholds": sorted(set(args.thresholds)),
            "weights": sorted(set(args.weights)),
            "threshold": args.threshold,
            "weight": args.weight,
        }
        self.by_threshold = [(threshold, args.weight) for threshold in self.values["thresholds"]]
        self.by_weight = [(args.threshold, weight) for weight in self.values["weights"]]
        self.rankings = {
            (threshold, weight): RankingWithContextPersons(threshold, weight, name=f"rcp b={threshold} lambda={weight}")
            for threshold, weight in self.by_threshold + self.by_weight
        }

    def change(self, config: Config) -> None:
        """Any test split serves."""

    def measure(self, setting: Setting, run: Predictions) -> dict[str, Any]:
        """Figures of one run."""
        plain, *ranked = setting.search(run, [None, *self.rankings.values()], [setting.protocol.main_gallery])
        by_parameters = dict(zip(self.rankings, ranked))
        return {
            "similarity": {name: value for name, (value,) in _figures([plain]).items()},
            "threshold": _figures([by_parameters[parameters] for parameters in self.by_threshold]),
            "weight": _figures([by_parameters[parameters] for parameters in self.by_weight]),
        }

    def draw(self, runs: dict[str, Any]) -> Figure:
        """The figure of all runs."""
        return plot_rcp_parameters(runs=runs, **self.values)


class PrecisionRecall:
    """Precision-recall curves of the search, with and without RCP, and of the detection of all persons."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.rcp = RankingWithContextPersons(args.threshold, args.weight)
        self.values = {"threshold": args.threshold, "weight": args.weight}

    def change(self, config: Config) -> None:
        """Any test split serves."""

    def measure(self, setting: Setting, run: Predictions) -> dict[str, Any]:
        """Curves of one run."""
        protocol = setting.protocol
        searches = {
            "similarity" if ranking is None else ranking.name: search_curve(
                protocol, run.detections, run.query_feats, setting.det_thr, ranking, protocol.main_gallery
            )
            for ranking in (None, self.rcp)
        }
        gt_bboxes = [image.bboxes for image in protocol.images]
        found = detection_curve(gt_bboxes, run.detections, setting.iou_thr, setting.det_thr)
        return {
            "search": {
                name: {"recall": curve.recalls.tolist(), "precision": curve.precisions.tolist(), "mAP": curve.mAP}
                for name, curve in searches.items()
            },
            "detection": {
                "recall": found.recalls.tolist(),
                "precision": found.precisions.tolist(),
                "score": found.scores.tolist(),
                "ap": found.ap,
            },
        }

    def draw(self, runs: dict[str, Any]) -> Figure:
        """The figure of all runs."""
        return plot_precision_recall(runs)


KINDS = {"gallery-size": GallerySizes, "rcp": RCPParameters, "precision-recall": PrecisionRecall}


def _figures(results: Sequence[SearchResult]) -> dict[str, list[float]]:
    return {"mAP": [result.mAP for result in results], "top-1": [result.topk[1] for result in results]}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="mmpersonsearch plot search", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="kind", required=True)
    for name, kind in KINDS.items():
        command = commands.add_parser(
            name,
            help=kind.__doc__,
            description=kind.__doc__,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        command.add_argument("config", help="says the test split and the thresholds of the evaluation")
        command.add_argument("runs", nargs="+", metavar="NAME=PREDICTIONS.pkl", help="name in the figure, and file")
        command.add_argument(
            "--out", required=True, metavar="FIGURE_STEM", help="files to write, without .png, .svg and .json"
        )
        command.add_argument("--threshold", type=float, default=0.3, help="RCP's threshold, the paper's b")
        command.add_argument("--weight", type=float, default=0.2, help="RCP's weight, the paper's lambda")
        command.add_argument(
            "--allow-different-protocols", action="store_true", help="accept predictions for other annotations"
        )
        command.add_argument("--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE")
    sizes, rcp = commands.choices["gallery-size"], commands.choices["rcp"]
    sizes.add_argument("--sizes", type=int, nargs="+", default=PAPER_SIZES, help="sizes of galleries")
    rcp.add_argument("--thresholds", type=float, nargs="+", default=PAPER_STEPS, help="b's, the weight is fixed")
    rcp.add_argument("--weights", type=float, nargs="+", default=PAPER_STEPS, help="lambdas, the threshold is fixed")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with exit_on_bad_input("mmpersonsearch plot search"):
        kind = KINDS[args.kind](args)
        paths = parse_runs(args.runs)
        config = read_config(args.config, args.cfg_options)
        kind.change(config)
        protocol = build_test_dataset(config).metainfo["search_protocol"]
        metric: PersonSearchMetric = METRICS.build(find_search_metric(config))
        setting = Setting(protocol, metric.det_thr, metric.iou_thr)
        runs, sources = {}, {}
        for name, path in paths.items():  # one at a time: embeddings may fill much of the memory
            found = read_predictions(path, protocol, args.allow_different_protocols)
            runs[name] = kind.measure(setting, found)
            sources[name] = {"predictions": path, **found.provenance}
        figure = kind.draw(runs)
    facts = {"kind": args.kind, "config": args.config, "data": dict(protocol.data), "det_thr": setting.det_thr}
    write_figure(figure, {**facts, **kind.values, "runs": runs, "sources": sources}, args.out)
