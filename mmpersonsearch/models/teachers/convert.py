"""Published Re-ID checkpoints as teachers.

The weights of reid-strong-baseline (BoT), ReID-Survey (AGW), fast-reid (BoT, AGW) and LightMBN get this package's names
(``convert_names.py``). The config defines the teacher's network: it must have exactly the source's weights.

Options for what the weights do not show (the number of identities, a stem without ReLU or padding, no IBN) are merged
into the config; the student's config needs them, too. Last stride, pooling and size of crops are the config's. All
four projects normalize as this package does: RGB, ImageNet's mean and standard deviation.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from torch import Tensor, nn

from mmpersonsearch.models.teachers.convert_names import PROJECTS, Project
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.checkpoint import find_weights, load_checkpoint_file, load_strictly
from mmpersonsearch.utils.errors import InputError


class Conversion(NamedTuple):
    """Checkpoint of a teacher and the origin of its weights.

    Attributes:
        checkpoint: ``meta`` (``converted_from``, ``source``, ``options`` and the values ``filled_in`` by key) and
            ``state_dict``.
        origins: Key in the source, by the teacher's key.
        left: Reason, by skipped key of the source.
    """

    checkpoint: dict[str, Any]
    origins: dict[str, str]
    left: dict[str, str]


def convert(path: str, project_name: str, config: Config) -> Conversion:
    """Convert a published Re-ID checkpoint to a teacher's.

    Args:
        path: The published checkpoint: file or URL.
        project_name: One of ``PROJECTS``.
        config: Of a Re-ID model; the options that the source needs are merged into it.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: The file cannot be read safely or does not fit the model; the message names the keys.
    """
    project = PROJECTS[project_name]
    source = read_source(path, project)
    origins, left = rename(source, project, path)
    weights = {key: source[origin] for key, origin in origins.items()}
    options = project.options(origins.values())
    for key in weights.keys() & {"head.classifier.weight", "head.classifiers.0.weight"}:
        options["head.num_ids"] = len(weights[key])
    config.merge_from_dict({f"model.{key}": value for key, value in options.items()})
    teacher = MODELS.build(config.model)
    state = _fill(teacher, source, weights, project, path)
    filled = {key: state[key].flatten()[0].item() for key in state if key not in weights}
    meta = dict(converted_from=project_name, source=Path(path).name, options=options, filled_in=filled)
    return Conversion(dict(meta=meta, state_dict=state), origins, left)


def load_reid(reid: nn.Module, path: str) -> None:
    """Load a Re-ID model's own checkpoint, or a published one of fast-reid, whose names are converted.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: The file cannot be read safely or does not fit the model; the message names the keys.
    """
    checkpoint = load_checkpoint_file(path)
    weights = find_weights(checkpoint["model"] if isinstance(checkpoint.get("model"), dict) else checkpoint)
    if not any(key.startswith("heads.") for key in weights):
        load_strictly(reid, checkpoint, path)
        return
    project = PROJECTS["fast-reid"]
    origins, _ = rename(weights, project, path)
    _fill(reid, weights, {key: weights[origin] for key, origin in origins.items()}, project, path)


def _fill(
    teacher: nn.Module, source: Mapping[str, Tensor], weights: Mapping[str, Tensor], project: Project, path: str
) -> dict[str, Tensor]:
    """Load a source's weights under a teacher's names, and what a source leaves out; return the teacher's state."""
    check_same_normalization(source, project, teacher, path)
    state = teacher.state_dict()
    constants = {key: torch.full_like(state[key], value) for key, value in project.constants.items() if key in state}
    load_strictly(teacher, {**constants, **weights}, path)
    return state


def read_source(path: str, project: Project) -> dict[str, Tensor]:
    """Read the weights, perhaps under ``model`` or ``state_dict``; see :func:`convert` for the errors."""
    try:
        checkpoint = load_checkpoint_file(path)
    except InputError as error:
        raise InputError(
            f"{error}. If it holds a whole model, as torch.save(model) writes it, and you trust who made it, then save "
            f'its weights alone, in a checkout of {project.url}: python -c "import torch; '
            f"torch.save(torch.load('{path}', map_location='cpu', weights_only=False).state_dict(), 'weights.pth')\""
        ) from error
    weights = find_weights(checkpoint["model"] if isinstance(checkpoint.get("model"), dict) else checkpoint)
    for key, value in weights.items():
        if not isinstance(value, Tensor):
            raise InputError(f"{path}: {key} is a {type(value).__name__}, expected weights (tensors by their names)")
    return weights


def rename(keys: Mapping[str, Any], project: Project, path: str) -> tuple[dict[str, str], dict[str, str]]:
    """Map a source's keys to a teacher's: ``origins`` and ``left`` of :class:`Conversion`.

    Raises:
        InputError: A key has no place in any teacher, or two keys have the same; no teacher equals the network.
    """
    for pattern, why in project.refused:
        if any(re.fullmatch(pattern, key) for key in keys):
            raise InputError(f"{path}: {why}")
    origins, left, unknown = {}, {}, []
    for key in keys:
        row = project.rename(key)
        if row is None:
            unknown.append(key)
        elif row.target is None:
            left[key] = row.why
        elif row.target in origins:
            raise InputError(f"{path}: {origins[row.target]} and {key} are both weights for {row.target}")
        else:
            origins[row.target] = key
    if unknown:
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise InputError(
            f"{path}: {', '.join(unknown[:5])}{more} have no place in a teacher, and without them it would be another "
            "network than the one that was trained"
        )
    return origins, left


def check_same_normalization(source: Mapping[str, Tensor], project: Project, teacher: nn.Module, path: str) -> None:
    """Raise InputError if the normalization in the source, if any, is not the config's."""
    for key, name in project.normalization:
        if key not in source:
            continue
        theirs, ours = source[key].flatten().float(), getattr(teacher.data_preprocessor, name).flatten()
        if theirs.shape != ours.shape or not torch.allclose(theirs, ours, atol=1e-2):
            raise InputError(
                f"{path}: {key} is {theirs.tolist()}, but data_preprocessor.{name} of the config is {ours.tolist()}: "
                "the teacher would see other images than it was trained on"
            )
