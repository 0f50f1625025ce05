"""Reading, strict loading and writing of checkpoints."""

import hashlib
import io
import os.path as osp
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

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
# Environment variables of the configs that name a local copy, by the start of the published file's name.
_VARIABLES = {
    "resnet50_ibn_a": "IBN_R50_WEIGHTS",
    "resnet50-": "R50_WEIGHTS",
    "resnet18-": "R18_WEIGHTS",
    "vgg16_": "VGG16_WEIGHTS",
    "osnet_x1_0": "OSNET_WEIGHTS",
}
_STATISTICS = ("min", "max", "current", "mean")
_NUMPY_CORES = ("numpy._core.multiarray", "numpy.core.multiarray")  # the names of NumPy 2 and NumPy 1


def load_checkpoint_file(path: str, map_location: str | torch.device | Callable = "cpu") -> dict[str, Any]:
    """Read a checkpoint of tensors, plain data and MMEngine's log buffers, without running code that it may contain.

    Args:
        path: File or URL (http, https). One process per machine downloads it to the folder of ``torch.hub``, where its
            SHA-256 is recorded at first use.
        map_location: Argument of :func:`torch.load`.

    Returns:
        The checkpoint: MMEngine's keys (``state_dict``, ``meta``, ...) or bare weights.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: The file is no checkpoint, or it contains objects of other types.
    """
    path = str(path)
    with _allowed_globals(_training_globals()):
        try:
            if path.startswith(_ADDRESSES):
                checkpoint = _download(path, map_location)
            else:
                checkpoint = torch.load(find_checkpoint(path), map_location=map_location, weights_only=True)
        except pickle.UnpicklingError as error:
            reason = str(error.__context__ or error).partition(" Please use")[0].strip()  # advice to skip the check
            raise InputError(
                f"{path} is not loaded: it is no PyTorch checkpoint, or it contains more than tensors and plain "
                f"data, which could run code: {reason}"
            ) from None
        except (RuntimeError, EOFError) as error:
            raise InputError(f"{path} is no readable PyTorch checkpoint: {error}") from error
        except (KeyError, IndexError, AttributeError) as error:  # of the unpickler, over text and the like
            raise InputError(f"{path} is no PyTorch checkpoint") from error
    if not isinstance(checkpoint, dict):
        raise InputError(f"{path} holds a {type(checkpoint).__name__}, expected a checkpoint (dict)")
    return checkpoint


def find_checkpoint(path: str) -> str:
    """Expand ``~`` in a local path; a URL stays as it is.

    Raises:
        FileNotFoundError: There is no such local file.
    """
    path = str(path)
    if path.startswith(_ADDRESSES):
        return path
    expanded = osp.expanduser(path)
    if osp.isdir(expanded):
        raise InputError(f"checkpoint {path} is a folder, expected a file (.pth) such as one in it")
    if not osp.isfile(expanded):
        raise FileNotFoundError(f"checkpoint {path} does not exist (looked for {osp.abspath(expanded)})")
    return expanded


def fetch_file(path: str) -> str:
    """Return the local file of a path or URL, which is downloaded as :func:`load_checkpoint_file` does.

    Raises:
        FileNotFoundError: There is no such local file.
        InputError: It cannot be downloaded, or has changed since its first use.
    """
    if not path.startswith(_ADDRESSES):
        return find_checkpoint(path)
    # Files of several addresses may have one name, such as model.onnx.
    name = f"{hashlib.sha256(path.encode()).hexdigest()[:8]}-{Path(urlparse(path).path).name}"
    target = Path(torch.hub.get_dir(), "checkpoints", name)
    if get_local_rank() == 0:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.is_file():
                torch.hub.download_url_to_file(path, str(target), progress=False)
        except OSError as error:
            raise InputError(f"{path} cannot be downloaded: {error}; give a local copy") from error
        _check_digest(target, path)
    barrier()
    return str(target)


def load_strictly(
    model: nn.Module,
    checkpoint: Mapping[str, Any],
    path: str,
    allow_unexpected: bool = False,
    may_lack: str = COUNTERS,
) -> None:
    """Load a checkpoint into a model if it fills all of it. MMEngine's loader only logs mismatches.

    Args:
        model: The model, or its wrapper for distributed training.
        checkpoint: Checkpoint with a ``state_dict``, or bare weights.
        path: Path of the checkpoint, for the message.
        allow_unexpected: Whether to skip weights that the model does not have.
        may_lack: Regular expression that finds keys that may be missing, by default ``num_batches_tracked``.

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
    """Write a checkpoint atomically."""
    content = io.BytesIO()
    torch.save(checkpoint, content)
    write_whole(path, content.getvalue())


def find_weights(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return the weights of a checkpoint, without the prefix ``module.`` of distributed training."""
    return {key.removeprefix("module."): value for key, value in checkpoint.get("state_dict", checkpoint).items()}


def use_safe_checkpoint_loader() -> None:
    """Make MMEngine (``load_from``, ``resume``, ``Pretrained``) read checkpoints by :func:`load_checkpoint_file`."""
    CheckpointLoader.register_scheme(("", *_ADDRESSES), load_from_plain_data, force=True)


def load_from_plain_data(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Call :func:`load_checkpoint_file`, by the signature and prefix of a name that MMEngine expects."""
    return load_checkpoint_file(filename, map_location=map_location)


def _download(url: str, map_location: Any) -> Any:
    """Download in the first process of each machine, then read in all."""
    load = partial(torch.hub.load_state_dict_from_url, url, map_location=map_location, weights_only=True)
    try:
        checkpoint = load() if get_local_rank() == 0 else None
        if checkpoint is not None:
            _check_digest(Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(url).path).name), url)
    except OSError as error:  # urllib's errors are
        raise InputError(f"{url} cannot be downloaded: {error}; {_remedy_of_download(url)}") from error
    barrier()
    return load() if checkpoint is None else checkpoint


def _check_digest(path: Path, url: str) -> None:
    """Record a downloaded file's SHA-256 beside it at first use; later compare, so that a changed one is noticed."""
    if not path.is_file():
        return
    record, digest = path.with_name(f"{path.name}.sha256"), hashlib.sha256(path.read_bytes()).hexdigest()
    if not record.is_file():
        write_whole(record, f"{digest}  {path.name}\n".encode())
    elif record.read_text().split()[0] != digest:
        raise InputError(
            f"{path}, the download of {url}, has another SHA-256 ({digest}) than at first use ({record}): remove both "
            "to download it anew"
        )


def _remedy_of_download(url: str) -> str:
    name = url.rpartition("/")[2]
    variable = next((variable for start, variable in _VARIABLES.items() if name.startswith(start)), None)
    if variable:
        return f"set the environment variable {variable} to a local copy, or to none to start from random weights"
    options = "--weights, or --detector-weights and --reid-weights"
    return f"give a local copy by {options}, or set the config's checkpoint to it, or to none for random weights"


def _training_globals() -> list[Any]:
    """List the types in checkpoints of MMEngine's ``Runner``: NumPy numbers and arrays, and ``HistoryBuffer``.

    ``HistoryBuffer`` pickles four of its methods by ``getattr``, which would reach any function; a replacement of
    ``getattr`` gives only these four.
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
    """Give a function the attributes by which PyTorch finds it when a pickle refers to ``name``."""

    def renamed(*args: Any) -> Any:
        return function(*args)

    renamed.__module__, _, renamed.__name__ = name.rpartition(".")
    renamed.__qualname__ = renamed.__name__
    return renamed


@contextmanager
def _allowed_globals(allowed: list[Any]) -> Iterator[None]:
    """Do what ``torch.serialization.safe_globals`` does, which PyTorch 2.4 lacks."""
    before = torch.serialization.get_safe_globals()
    torch.serialization.add_safe_globals(allowed)
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(list(before))
