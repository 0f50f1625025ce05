"""Evaluate a checkpoint: print the metrics of detection and search, and write them to result.json in the work dir."""

import os
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import is_main_process
from mmengine.runner import Runner

import mmpersonsearch.registry  # noqa: F401
from mmpersonsearch.datasets import JointPersonSearchDataset
from mmpersonsearch.engine.console_runner import ConsoleRunner
from mmpersonsearch.engine.fast_testing import FastTestingHook, check_compiler
from mmpersonsearch.engine.launch import join_processes
from mmpersonsearch.engine.num_ids import count_rows, set_num_ids
from mmpersonsearch.evaluation.metrics.pair_search import DumpPairPredictions, PairSearchMetric
from mmpersonsearch.evaluation.metrics.person_search import PersonSearchMetric
from mmpersonsearch.evaluation.metrics.ranking_pictures import RankingPictures
from mmpersonsearch.evaluation.metrics.search_results import DumpPredictions, SearchResultsMetric
from mmpersonsearch.evaluation.provenance import describe_model, describe_versions
from mmpersonsearch.utils.checkpoint import load_checkpoint_file, load_strictly, use_safe_checkpoint_loader
from mmpersonsearch.utils.config_files import require_keys
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import check_folder, check_out
from mmpersonsearch.utils.memory import keep_freed_memory

from .command_line import add_config, add_data_set, add_launcher, exit_on_bad_input, make_parser, write_json
from .config_checks import check_before
from .run_config import choose_data_set, read_config_of, score_threshold


def draw_detections(config: Config, folder: str) -> None:
    """Have MMDetection's visualization hook draw, or the metric of a Re-ID model, which detects nothing.

    Raises:
        InputError: The config has no such hook.
    """
    evaluator = config.test_evaluator
    if isinstance(evaluator, dict) and evaluator.get("type") == "ReIDMetric":
        evaluator.show_dir = folder
        return
    hook = config.default_hooks.get("visualization")
    if hook is None:
        raise InputError(f"--show-dir: {config.filename} has no default_hooks.visualization")
    hook.draw = True
    hook.test_out_dir = os.path.abspath(folder)  # a relative one would be put below the work dir's time stamp


def add_metrics(runner: Runner, out: str | None, show_dir: str | None, records: dict[str, Any]) -> None:
    """Add the metrics that write predictions (``--out``) and draw rankings (``--show-dir``).

    Raises:
        InputError: ``--out`` without a metric of person search or detection, ``--show-dir`` of search by pairs.
    """
    metrics = runner.test_evaluator.metrics
    search = find_search(runner)
    measured = next((m for m in metrics if isinstance(m, SearchResultsMetric)), None)
    if out and measured is None:
        raise InputError(
            f"--out writes predictions, expected a PersonSearchMetric or a DetectionMetric in {runner.cfg.filename}"
        )
    by_pairs = isinstance(search, PairSearchMetric)
    if show_dir and by_pairs:
        raise InputError(
            "--show-dir: in search by pairs an image has other detections for each query; --out writes predictions, "
            "from which mmpersonsearch rank draws the queries with their best matches"
        )
    if out:
        dump = DumpPairPredictions(out, records) if by_pairs else None
        metrics.append(dump or DumpPredictions(out, records, (search or measured).fields))
    if show_dir and search is not None:
        dataset = runner.test_dataloader.dataset
        joint = isinstance(dataset, JointPersonSearchDataset)
        img_path = {name: one.img_path for name, one in dataset.by_name.items()} if joint else dataset.img_path
        metrics.append(RankingPictures(show_dir, img_path, search.rankings[0], search.det_thr))
    for metric in metrics:  # MMEngine sets it in the metrics of the config only
        metric.dataset_meta = runner.test_evaluator.dataset_meta


def find_search(runner: Runner) -> PersonSearchMetric | None:
    """Return the first person search metric of a test."""
    return next((m for m in runner.test_evaluator.metrics if isinstance(m, PersonSearchMetric)), None)


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("test", __doc__)
    add_config(parser)
    parser.add_argument("checkpoint", help="file or URL")
    parser.add_argument("--out", metavar="PREDICTIONS.pkl", help="write all detections and embeddings to this file")
    parser.add_argument("--show-dir", help="draw test images with detections, and the matches of the worst queries")
    add_data_set(parser)
    parser.add_argument("--amp", action="store_true", help="mixed precision (float16 on a GPU, bfloat16 on a CPU)")
    parser.add_argument("--compile", action="store_true", help="compile the networks by torch.compile")
    add_launcher(parser)
    args = parser.parse_args(argv)
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    use_safe_checkpoint_loader()
    keep_freed_memory()
    with exit_on_bad_input("mmpersonsearch test"):
        if args.compile:
            check_compiler(get_device())
        config = read_config_of(args)
        require_keys(config, "model", "test_dataloader", "test_evaluator")
        choose_data_set(config, args.data_set, needed=False)
        if args.amp:
            config.test_cfg.fp16 = True
        # Without the folder of the results, so that its digest does not depend on where the test runs.
        experiment = {key: value for key, value in config.to_dict().items() if key != "work_dir"}
        check_out(args.out, args.checkpoint, suffixes=(".pkl", ".pickle"))
        for folder in (config.work_dir, args.show_dir or config.work_dir):
            check_folder(folder)
        checkpoint = load_checkpoint_file(args.checkpoint)
        if args.show_dir:
            draw_detections(config, args.show_dir)
        config.update(launcher=args.launcher, load_from=os.path.expanduser(args.checkpoint), resume=False)
        join_processes(config)
        set_num_ids(config.model, count_rows(checkpoint) or 1)  # without such weights only training reads it
        runner = ConsoleRunner.from_cfg(config)
        check_before(runner, ("test",))
        runner.register_hook(FastTestingHook(args.compile), FastTestingHook.priority)
        # MMEngine loads it again, but only logs mismatches.
        load_strictly(runner.model, checkpoint, args.checkpoint, allow_unexpected=True)
        model = describe_model(experiment, args.config, config.load_from, score_threshold(config))
        records = {"model": model, "versions": describe_versions()}
        add_metrics(runner, args.out, args.show_dir, records)
        search = find_search(runner)
        metrics = {name: float(value) for name, value in runner.test().items()}
    if is_main_process():
        protocol = {} if search is None else {"protocol": search.protocol_record}
        if search is not None and search.by_data_set is not None:
            protocol = {"protocols": {name: one.protocol_record for name, one in search.by_data_set.items()}}
        write_json(os.path.join(runner.work_dir, "result.json"), {**metrics, **records, **protocol})
