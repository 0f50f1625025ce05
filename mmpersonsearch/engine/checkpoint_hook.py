"""MMEngine's checkpoint hook, made safe against a kill or a full disk at any moment."""

import errno
import os
import re
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, get_file_backend, register_backend
from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn

from mmpersonsearch.registry import HOOKS
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import write_whole


@register_backend("whole_files", force=True)
class WholeFileBackend(LocalBackend):
    """MMEngine's local files, written under another name and renamed, so that none is ever cut off."""

    def put(self, obj: bytes | memoryview, filepath: str | Path) -> None:
        """Write a file; InputError, which names it, on a full or read-only disk."""
        write_whole(filepath, obj)


@HOOKS.register_module()
class CheckpointHook(MMEngineCheckpointHook):
    """MMEngine's ``CheckpointHook``, after which a killed training always finds its last checkpoint whole.

    Checkpoints and ``last_checkpoint`` appear whole; what is too old, or no longer the best, is removed after the new
    one is there; weights that are not finite are not saved. With ``save_best``, a resumed training first repeats the
    validation that was due at its checkpoint, which may have been cut off. ``kwargs`` are MMEngine's.
    """

    def before_train(self, runner: Runner) -> None:
        """Set the folder up, and validate a resumed model where its best checkpoint may be missing."""
        super().before_train(runner)
        if isinstance(self.file_backend, LocalBackend) and self.backend_args is None and self.file_client_args is None:
            self.backend_args = dict(backend="whole_files")
            self.file_backend = get_file_backend(self.out_dir, backend_args=self.backend_args)
            if is_main_process():
                _remove_unfinished(Path(self.out_dir))
        self.file_backend = _RemovesLater(self.file_backend)
        if self.save_best and _validation_is_due(runner):
            runner.logger.info("Validating the resumed checkpoint, of which it is not known whether it was")
            runner.val_loop.run()

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        if is_main_process():
            check_finite(runner.model, f"{self.filename_tmpl.format(step)} is not saved")
        if self.max_keep_ckpts > 0 and step not in self.keep_ckpt_ids:
            if len(self.keep_ckpt_ids) == self.max_keep_ckpts and is_main_process():
                self.file_backend.remove(self._path(self.keep_ckpt_ids[0]))
            self.keep_ckpt_ids.append(step)  # drops the first of a full one
            runner.message_hub.update_info("keep_ckpt_ids", list(self.keep_ckpt_ids))
        self.last_ckpt = self._path(step)
        runner.message_hub.update_info("last_ckpt", self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            self.filename_tmpl.format(step),
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            write_whole(Path(runner.work_dir, "last_checkpoint"), str(self.last_ckpt).encode())
            self._remove_old()

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, Any]) -> None:
        super()._save_best_checkpoint(runner, metrics)
        self._remove_old()

    def _remove_old(self) -> None:
        # A repeated validation may have written the best checkpoint under its own name.
        best = {getattr(self, "best_ckpt_path", None), *getattr(self, "best_ckpt_path_dict", {}).values()}
        self.file_backend.finish(keep=best | {self.last_ckpt})

    def _path(self, step: int) -> str:
        return self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(step))


class _RemovesLater:
    """A storage backend that removes files when it is told to finish: MMEngine removes before it writes."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._waiting: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        self._waiting.append(path)

    rmtree = remove  # of checkpoints that are folders

    def finish(self, keep: set[str | None]) -> None:
        """Remove what waits, but for some paths."""
        while self._waiting:
            path = self._waiting.pop()
            if path not in keep and self._backend.exists(path):
                (self._backend.rmtree if self._backend.isdir(path) else self._backend.remove)(path)


def check_finite(model: nn.Module, consequence: str) -> None:
    """Raise InputError, which names some of them and the consequence, if weights or buffers are not finite."""
    model = model.module if is_model_wrapper(model) else model
    numbers = ((name, value) for name, value in model.state_dict().items() if isinstance(value, torch.Tensor))
    if broken := [name for name, value in numbers if value.is_floating_point() and not value.isfinite().all()]:
        more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
        raise InputError(f"{consequence}: weights are not finite, {', '.join(broken[:3])}{more}")


def _remove_unfinished(folder: Path) -> None:
    """Remove what processes of this machine that were killed have left of unfinished checkpoints."""
    for path in folder.glob(".*.*"):
        match = re.fullmatch(r"\.(?:.*\.pth|last_checkpoint)\.(\d+)", path.name)
        if match and not _is_running(int(match[1])):
            path.unlink(missing_ok=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno != errno.ESRCH
    return True


def _validation_is_due(runner: Runner) -> bool:
    """Whether the loop would have validated after the checkpoint that a training resumes."""
    if runner.iter == 0 or runner.val_loop is None:
        return False
    loop = runner.train_loop
    by_epoch = isinstance(loop, EpochBasedTrainLoop)
    time, end = (loop.epoch, loop.max_epochs) if by_epoch else (loop.iter, loop.max_iters)
    loop._decide_current_val_interval()
    return time >= loop.val_begin and (time % loop.val_interval == 0 or time == end)
