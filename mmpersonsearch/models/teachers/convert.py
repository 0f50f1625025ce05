"""Published Re-ID checkpoints as teachers.

The weights of reid-strong-baseline (BoT), ReID-Survey (AGW) and fast-reid (BoT, AGW) get this package's names
(``convert_names.py``). The config says what network the teacher is: every weight of it must be in the source, and
every weight of the source must have its place in it, otherwise the teacher would be another network than the one that
was trained.

What weights do not show comes as config options, which the student's config needs too: the number of identities of the
classifier, which comes along because teachers are loaded strictly; no IBN, no ReLU in the stem, no padding in its max
pooling, where the source's network has it so. The last stride (1) and the kind of pooling are as the config says.

All three projects normalize as this package does: RGB, ImageNet's mean and standard deviation. Crops are 256x128 in BoT
and AGW, other sizes are for the config to say.
"""

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
    """A teacher's checkpoint, and where its weights are from.

    Attributes:
        checkpoint: ``meta`` (``converted_from``, ``source``, ``options`` and the values ``filled_in`` by key) and
            ``state_dict``.
        origins: Key in the source, by the teacher's key.
        left: Why a key of the source was not taken over, by that key.
    """

    checkpoint: dict[str, Any]
    origins: dict[str, str]
    left: dict[str, str]


def convert(path: str, project_name: str, config: Config) -> Conversion:
    """Turn a published Re-ID checkpoint into a teacher's.

    Args:
        path: The published checkpoint: file or URL.
        project_name: One of ``PROJECTS``.
        config: Of a Re-ID model; the options that the source needs are merged into it.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: The file cannot be read safely, or it and the model do not fit each other; the message names the
            keys.
    """
    project = PROJECTS[project_name]
    source = read_source(path, project)
    origins, left = rename(source, project, path)
    weights = {key: source[origin] for key, origin in origins.items()}
    options = project.options(origins.values())
    if "head.classifier.weight" in weights:
        options["head.num_ids"] = len(weights["head.classifier.weight"])
    config.merge_from_dict({f"model.{key}": value for key, value in options.items()})
    teacher = MODELS.build(config.model)
    check_same_normalization(source, project, teacher, path)
    load_strictly(teacher, {**project.constants_of(teacher), **weights}, path)
    state = teacher.state_dict()
    filled = {key: state[key].flatten()[0].item() for key in state if key not in weights}
    meta = dict(converted_from=project_name, source=Path(path).name, options=options, filled_in=filled)
    return Conversion(dict(meta=meta, state_dict=state), origins, left)


def read_source(path: str, project: Project) -> dict[str, Tensor]:
    """Read the weights of a published checkpoint; they may lie under ``model`` or ``state_dict`` in it.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It cannot be read without unpickling, or it holds something other than weights.
    """
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
    """Find the teacher's names of a source's keys.

    Returns:
        ``origins`` and ``left`` of :class:`Conversion`.

    Raises:
        InputError: A key has no place in any teacher, or two keys have the same; no teacher equals the network.
    """
    refusal = project.refusal(keys)
    if refusal is not None:
        raise InputError(f"{path}: {refusal}")
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
    """Compare the normalization that is saved in the source, if any, with the config's.

    Raises:
        InputError: They differ.
    """
    for key, name in project.normalization:
        if key not in source:
            continue
        theirs, ours = source[key].flatten().float(), getattr(teacher.data_preprocessor, name).flatten()
        if theirs.shape != ours.shape or not torch.allclose(theirs, ours, atol=1e-2):
            raise InputError(
                f"{path}: {key} is {theirs.tolist()}, but data_preprocessor.{name} of the config is {ours.tolist()}: "
                "the teacher would see other images than it was trained on"
            )
