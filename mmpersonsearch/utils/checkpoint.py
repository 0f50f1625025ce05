"""Checkpoints: a reader that runs no code of theirs, and a strict loader."""

import io
import os.path as osp
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import barrier, get_local_rank
from mmengine.logging import HistoryBuffer
from mmengine.model import is_model_wrapper
from mmengine.runner import CheckpointLoader
from torch import nn

from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import write_whole

COUNTERS = r"\.num_batches_tracked$"
_ADDRESSES = ("http://", "https://")
_STATISTICS = ("min", "max", "current", "mean")
_NUMPY_CORES = ("numpy._core.multiarray", "numpy.core.multiarray")  # the names of NumPy 2 and NumPy 1


def load_checkpoint_file(path: str, map_location: str | torch.device | Callable = "cpu") -> dict[str, Any]:
    """Read a checkpoint that holds nothing but tensors, plain data and MMEngine's log buffers.

    MMEngine's own loader unpickles anything where the safe way fails. This one refuses, so that a model from somebody
    else cannot run code.

    Args:
        path: File or URL (http, https). A download is kept in ``torch.hub``'s folder and made by one process a machine.
        map_location: As in :func:`torch.load`.

    Returns:
        The checkpoint as it was saved: MMEngine's keys (``state_dict``, ``meta``, ...) or bare weights.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: The file is no checkpoint, or it holds objects that only unpickling would restore.
    """
    path = str(path)
    with _allowed_globals(_training_globals()):
        try:
            if path.startswith(_ADDRESSES):
                checkpoint = _download(path, map_location)
            else:
                checkpoint = torch.load(find_checkpoint(path), map_location=map_location, weights_only=True)
        except pickle.UnpicklingError as error:
            raise InputError(
                f"{path} is not loaded: it is no PyTorch checkpoint, or it holds more than tensors and plain "
                f"data, and reading that would run code of its writer's: {_reason(error)}"
            ) from None
        except (RuntimeError, EOFError) as error:
            raise InputError(f"{path} is no readable PyTorch checkpoint: {error}") from error
        except (KeyError, IndexError, AttributeError) as error:  # of the unpickler, over text and the like
            raise InputError(f"{path} is no PyTorch checkpoint") from error
    if not isinstance(checkpoint, dict):
        raise InputError(f"{path} holds a {type(checkpoint).__name__}, expected a checkpoint (dict)")
    return checkpoint


def find_checkpoint(path: str) -> str:
    """Return a local path with ``~`` expanded, a URL unchanged.

    Raises:
        FileNotFoundError: It is a local path and no file is there.
    """
    path = str(path)
    if path.startswith(_ADDRESSES):
        return path
    expanded = osp.expanduser(path)
    if not osp.isfile(expanded):
        raise FileNotFoundError(f"checkpoint {path} does not exist (looked for {osp.abspath(expanded)})")
    return expanded


def load_strictly(
    model: nn.Module,
    checkpoint: Mapping[str, Any],
    path: str,
    allow_unexpected: bool = False,
    may_lack: str = COUNTERS,
) -> None:
    """Load a checkpoint that fills a whole model, or nothing.

    MMEngine's loader leaves what does not fit as it is and only logs it, so that a model would be evaluated with random
    weights.

    Args:
        model: May be wrapped for several processes.
        checkpoint: From :func:`load_checkpoint_file`, or bare weights.
        path: Where it came from, for the message.
        allow_unexpected: Whether weights that the model does not have are skipped.
        may_lack: Regular expression, searched in the keys that may be missing; old checkpoints come without batch
            norms' counters of batches.

    Raises:
        InputError: Weights are missing, of another shape or unexpected; the message names them.
    """
    model = model.module if is_model_wrapper(model) else model
    own, weights = model.state_dict(), find_weights(checkpoint)
    problems = [f"{key} is missing" for key in own if key not in weights and not re.search(may_lack, key)]
    problems += [
        f"{key} has shape {tuple(weights[key].shape)}, expected {tuple(own[key].shape)}"
        for key in own
        if key in weights and weights[key].shape != own[key].shape
    ]
    if not allow_unexpected:
        problems += [f"{key} is unexpected" for key in weights if key not in own]
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise InputError(f"checkpoint {path} does not fit {type(model).__name__}: {'; '.join(problems[:5])}{more}")
    model.load_state_dict({key: weights[key] for key in own if key in weights}, strict=False)


def save_checkpoint(checkpoint: Mapping[str, Any], path: str | Path) -> None:
    """Write a checkpoint so that it is there as a whole or not at all."""
    content = io.BytesIO()
    torch.save(checkpoint, content)
    write_whole(path, content.getvalue())


def find_weights(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checkpoint's weights, without the prefix of a model that was wrapped for several processes."""
    return {key.removeprefix("module."): value for key, value in checkpoint.get("state_dict", checkpoint).items()}


def use_safe_checkpoint_loader() -> None:
    """Make MMEngine read local files and URLs by :func:`load_checkpoint_file` in this process.

    So ``load_from``, ``resume`` and ``init_cfg=dict(type='Pretrained')`` get the same treatment.
    """
    CheckpointLoader.register_scheme(("", *_ADDRESSES), load_from_plain_data, force=True)


def load_from_plain_data(filename: str, map_location: Any = None) -> dict[str, Any]:
    """:func:`load_checkpoint_file` with the signature and the name that MMEngine's registry asks for."""
    return load_checkpoint_file(filename, map_location=map_location)


def _download(url: str, map_location: Any) -> Any:
    """Fetch in the first process of each machine, then read in all."""
    load = partial(torch.hub.load_state_dict_from_url, url, map_location=map_location, weights_only=True)
    checkpoint = load() if get_local_rank() == 0 else None
    barrier()
    return load() if checkpoint is None else checkpoint


def _reason(error: pickle.UnpicklingError) -> str:
    """PyTorch's reason without its advice to switch the check off."""
    return str(error.__context__ or error).partition(" Please use")[0].strip()


def _training_globals() -> list[Any]:
    """What a checkpoint written by MMEngine's ``Runner`` holds beside tensors and plain data.

    These are NumPy scalars and arrays of numbers and ``HistoryBuffer``, which pickles four of its methods by
    ``getattr``. The real ``getattr`` would let a file reach any function, hence a stand-in for those four.
    """
    numbers = {type(np.dtype(code)) for code in "?bBhHiIlLqQefd"}
    core = getattr(np, "_core", None) or np.core
    functions = (core.multiarray._reconstruct, core.multiarray.scalar)
    renamed = [_as_global(f"{name}.{f.__name__}", f) for name in _NUMPY_CORES for f in functions]
    return [HistoryBuffer, np.ndarray, np.dtype, *numbers, *renamed, _as_global("builtins.getattr", _get_statistic)]


def _get_statistic(owner: Any, name: str) -> Callable:
    if owner is not HistoryBuffer or name not in _STATISTICS:
        raise pickle.UnpicklingError(f"getattr({owner!r}, {name!r}) is not allowed")
    return getattr(HistoryBuffer, name)


def _as_global(name: str, function: Callable) -> Callable:
    """Return ``function`` under the name by which a pickle asks for it (PyTorch goes by these attributes)."""

    def stand_in(*args: Any) -> Any:
        return function(*args)

    stand_in.__module__, _, stand_in.__name__ = name.rpartition(".")
    stand_in.__qualname__ = stand_in.__name__
    return stand_in


@contextmanager
def _allowed_globals(allowed: list[Any]) -> Iterator[None]:
    """``torch.serialization.safe_globals``, which PyTorch 2.4 has not got yet."""
    before = torch.serialization.get_safe_globals()
    torch.serialization.add_safe_globals(allowed)
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(list(before))
