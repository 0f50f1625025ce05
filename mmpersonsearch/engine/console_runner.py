"""MMEngine's runner with a short console, where the log file alone gets the config and the environment."""

import logging
import time
from typing import Any

import yapf.yapflib.yapf_api as yapf_api
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import BaseLoop, Runner

from .failures import FiniteLossHook, failures_named

FILE_ONLY = ("Config:", "System environment:", "Hooks will be executed in the following order")


class ConsoleRunner(Runner):
    """Runner that prints no config and no list of hooks, and tells at the first iteration how long training takes."""

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Build MMEngine's logger; its console leaves out what is for the log file."""
        format_texts_once()
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(_is_for_console)
        return logger

    def train(self) -> Any:
        """Train; for the errors see :func:`failures_named` and :class:`FiniteLossHook`."""
        self.register_hook(FirstIterationHook(), "VERY_LOW")
        self.register_hook(FiniteLossHook())
        with failures_named(self.work_dir):
            model = super().train()
        for loop in (self.train_loop, self.val_loop):
            stop_workers(loop)
        return model


def stop_workers(loop: BaseLoop | dict | None) -> None:
    """End the processes that load a loop's data.

    Where the garbage collector or the interpreter's end meets them, PyTorch waits five seconds for each.
    """
    for owner, iterator in ((loop, "dataloader_iterator"), (getattr(loop, "dataloader", None), "_iterator")):
        if hasattr(owner, iterator):
            setattr(owner, iterator, None)


def format_texts_once() -> None:
    """Have yapf keep what it formatted: MMEngine has a run's config formatted for each log, dump and checkpoint.

    It takes seconds each time (8 for TDN's), half a minute before the first iteration.
    """
    format_code, texts = yapf_api.FormatCode, {}
    if hasattr(format_code, "original"):
        return

    def format_once(text: str, **options: Any) -> tuple[str, bool]:
        key = text, repr(options)
        if key not in texts:
            texts[key] = format_code(text, **options)
        return texts[key]

    format_once.original = format_code  # pyright: ignore[reportFunctionMemberAccess]
    yapf_api.FormatCode = format_once


def _is_for_console(record: logging.LogRecord) -> bool:
    return not any(part in record.getMessage()[:200] for part in FILE_ONLY)


class FirstIterationHook(Hook):
    """Log after the first iteration how long the training takes at its pace."""

    def __init__(self) -> None:
        self.start: float | None = None
        self.is_logged = False

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Start the clock."""
        if not self.is_logged:
            self.start = time.monotonic()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Log once."""
        if not self.is_logged:
            seconds, left = time.monotonic() - self.start, runner.max_iters - runner.iter
            runner.logger.info(
                f"The first iteration took {seconds:.1f} s; {left} iterations at this pace, which later ones often "
                f"beat, are {seconds * left / 60:.0f} minutes"
            )
            self.is_logged = True
