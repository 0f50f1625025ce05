"""Train a model from a config file."""

import os

from mmengine.device import get_device

import mmpersonsearch.registry  # noqa: F401
from mmpersonsearch.engine.console_runner import ConsoleRunner
from mmpersonsearch.engine.launch import join_processes
from mmpersonsearch.utils.checkpoint import find_checkpoint, use_safe_checkpoint_loader
from mmpersonsearch.utils.config_files import require_keys
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import check_folder, disk_errors_named

from .command_line import add_config, add_launcher, exit_on_bad_input, make_parser
from .run_config import (
    check_untrained,
    fill_num_ids,
    read_config_of,
    resume_from,
    scale_learning_rate,
    use_mixed_precision,
    warn_of_changes,
)


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("train", __doc__)
    add_config(parser)
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        help="resume from this checkpoint, or from the latest one in the work dir if none is given",
    )
    parser.add_argument("--amp", action="store_true", help="train with automatic mixed precision (bfloat16 on a CPU)")
    parser.add_argument("--auto-scale-lr", action="store_true", help="scale the learning rate to the total batch size")
    add_launcher(parser)
    args = parser.parse_args(argv)
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    use_safe_checkpoint_loader()
    with exit_on_bad_input("mmpersonsearch train"):
        config = read_config_of(args)
        require_keys(config, "model", "train_dataloader", "train_cfg", "optim_wrapper")
        config.launcher = args.launcher
        check_folder(config.work_dir)
        resume_from(config, args.resume)
        if not config.get("resume"):
            check_untrained(config.work_dir)
        if args.amp:
            use_mixed_precision(config, has_accelerator=get_device() != "cpu")
        if args.auto_scale_lr:
            scale_learning_rate(config)
        if config.get("load_from"):
            config.load_from = find_checkpoint(config.load_from)
        join_processes(config)
        from .config_checks import check_before, check_data  # imports MMDetection, which a message need not wait for

        try:
            fill_num_ids(config)
        except (InputError, FileNotFoundError):
            check_data(config, ("train", "val"))  # names all faults, not only the first
            raise
        warn_of_changes(config)  # as it runs: with --amp and what the processes set
        with disk_errors_named(config.work_dir):
            runner = ConsoleRunner.from_cfg(config)
        check_before(runner, ("train", "val"))
        runner.train()
