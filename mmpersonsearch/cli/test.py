"""Evaluate a checkpoint: detection and search figures, printed and written to result.json in the work dir."""

import argparse
import json
import os
import sys
from typing import Any

from mmengine.config import Config, DictAction
from mmengine.dist import is_main_process
from mmengine.runner import Runner

import mmpersonsearch.registry  # noqa: F401
from mmpersonsearch.engine.launch import join_processes
from mmpersonsearch.evaluation.metrics.dump_predictions import DumpPredictions
from mmpersonsearch.evaluation.metrics.person_search import PersonSearchMetric
from mmpersonsearch.evaluation.metrics.ranking_pictures import RankingPictures
from mmpersonsearch.evaluation.provenance import describe_model, describe_versions
from mmpersonsearch.utils.checkpoint import check_fits, load_checkpoint_file, use_safe_checkpoint_loader
from mmpersonsearch.utils.files import write_whole

from .command_line import exit_on_bad_input
from .run_config import read_config


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mmpersonsearch test", description=__doc__)
    parser.add_argument("config", help="config file, or the name of one, such as tdn_r50ibn_prw")
    parser.add_argument("checkpoint", help="file or http(s) address")
    parser.add_argument("--work-dir", help="folder for logs and result.json (work_dirs/<config's name>)")
    parser.add_argument("--out", metavar="PREDICTIONS.pkl", help="write all detections and embeddings to this file")
    parser.add_argument("--show-dir", help="draw test images with detections, and the worst queries' matches")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=DictAction,
        metavar="KEY=VALUE",
        help="override keys of the config, such as test_evaluator.det_thr=0.3",
    )
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def draw_detections(config: Config, folder: str) -> None:
    """Switch on MMDetection's drawing hook; an absolute folder is not put below the work dir's time stamp."""
    hook = config.default_hooks.get("visualization")
    if hook is None:
        raise ValueError(f"--show-dir: {config.filename} has no default_hooks.visualization that could draw")
    hook.draw = True
    hook.test_out_dir = os.path.abspath(folder)


def text_of_experiment(config: Config) -> str:
    """The config's text without the folder of its results, for a digest that is the same wherever a test runs."""
    return Config({key: value for key, value in config.items() if key != "work_dir"}).pretty_text


def write_figures(metrics: dict[str, float], records: dict[str, Any], path: str) -> None:
    """Write the metrics as JSON, and behind them what they depend on."""
    content = {**{name: float(value) for name, value in metrics.items()}, **records}
    write_whole(path, (json.dumps(content, indent=2) + "\n").encode())
    print(f"Figures: {path}")


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    use_safe_checkpoint_loader()
    with exit_on_bad_input("mmpersonsearch test"):
        config = read_config(args.config, args.cfg_options, args.work_dir)
        config_text = text_of_experiment(config)
        checkpoint = load_checkpoint_file(args.checkpoint)
        if args.show_dir:
            draw_detections(config, args.show_dir)
        config.launcher = args.launcher
        join_processes(config)
    config.load_from = os.path.expanduser(args.checkpoint)
    config.resume = False

    runner = Runner.from_cfg(config)
    with exit_on_bad_input("mmpersonsearch test"):
        check_fits(runner.model, checkpoint, args.checkpoint)
    evaluators = runner.test_evaluator.metrics
    searches = [metric for metric in evaluators if isinstance(metric, PersonSearchMetric)]
    records = {
        "model": describe_model(config_text, args.config, config.load_from),
        "versions": describe_versions(),
    }
    if args.out:
        if not searches:
            sys.exit(
                f"mmpersonsearch test: --out writes person search predictions, {args.config} has no PersonSearchMetric"
            )
        evaluators.append(DumpPredictions(args.out, records))
    if args.show_dir and searches:
        img_path = runner.test_dataloader.dataset.img_path
        evaluators.append(RankingPictures(args.show_dir, img_path, searches[0].rankings[0], searches[0].det_thr))
    for metric in evaluators:  # MMEngine has given it to the config's metrics only
        metric.dataset_meta = runner.test_evaluator.dataset_meta
    metrics = runner.test()
    if is_main_process():
        if searches:
            records["protocol"] = searches[0].protocol_record
        write_figures(metrics, records, os.path.join(runner.work_dir, "result.json"))
