"""Failures of a training: losses that are not finite, and errors that name neither cause nor remedy."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import distributed as dist

from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import disk_errors_named

_DEAD_WORKER = re.compile(r"DataLoader worker \(pid.*?\) (is killed|exited|terminated)")
_DEAD_RANK = re.compile(r"Connection (closed|reset) by peer|Broken pipe|Timed out|remote process exited|watchdog", re.I)
_SKIPPED_IN_A_ROW = 20  # a gradient scaler halves its scale each time, which is 2^16 at the start


class FiniteLossHook(Hook):
    """Stop at the first loss that is not finite.

    With a gradient scaler (AMP on a GPU), which skips such an iteration, at the 20th in a row.
    """

    priority = "ABOVE_NORMAL"

    def __init__(self) -> None:
        self.number = 0

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Look at the losses; raise InputError, which names them and the batch's images, if one is not finite."""
        values = {name: float(torch.as_tensor(value).detach()) for name, value in (outputs or {}).items()}
        wrong = [f"{name} {value}" for name, value in values.items() if not math.isfinite(value)]
        self.number = self.number + 1 if wrong else 0
        if self.number > (_SKIPPED_IN_A_ROW - 1 if hasattr(runner.optim_wrapper, "loss_scaler") else 0):
            images = ", ".join(image_names(data_batch)) or "not known"
            raise InputError(
                f"iteration {runner.iter + 1}: losses are not finite: {', '.join(wrong)}; images of the batch: {images}"
                f"; {describe_last_checkpoint(runner.work_dir)}. A lower optim_wrapper.optimizer.lr, a longer warm-up "
                "or optim_wrapper.clip_grad keeps a training from diverging"
            )


def image_names(data_batch: Any) -> list[str]:
    """Return the files of a batch's images, as far as its data samples tell."""
    samples = data_batch.get("data_samples", ()) if isinstance(data_batch, dict) else ()
    return [str(sample.img_path) for sample in samples if hasattr(sample, "img_path")]


def describe_last_checkpoint(work_dir: str | Path) -> str:
    """Tell where ``--resume`` continues."""
    path = Path(work_dir, "last_checkpoint")
    if not path.is_file():
        return "no checkpoint was saved before"
    return f"--resume continues from {path.read_text()}"


@contextmanager
def failures_named(work_dir: str | Path) -> Iterator[None]:
    """Replace errors of a training by such that name cause, remedy and last checkpoint.

    Raises:
        InputError: The disk is full, a process that loads data was killed, or another rank ended.
    """
    try:
        with disk_errors_named(work_dir):
            yield
    except InputError as error:
        if isinstance(error.__cause__, OSError):
            raise InputError(f"{error}; {describe_last_checkpoint(work_dir)}") from error
        raise
    except RuntimeError as error:
        text, last = str(error).strip(), describe_last_checkpoint(work_dir)
        if _DEAD_WORKER.search(text):
            raise InputError(
                f"a process that loads data has ended: {text.splitlines()[0]} Where memory is short, fewer "
                f"train_dataloader.num_workers or a smaller batch_size help; {last}"
            ) from error
        if dist.is_available() and dist.is_initialized() and _DEAD_RANK.search(text):
            raise InputError(
                f"another process of this training has ended, whose message tells why ({text.splitlines()[0]}); {last}"
            ) from error
        raise
