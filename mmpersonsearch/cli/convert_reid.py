"""Makes a teacher of a published Re-ID checkpoint.

Reads the weights of reid-strong-baseline (BoT), ReID-Survey (AGW) and fast-reid (BoT, AGW), gives them this package's
names (reid_key_names.py) and writes the checkpoint that a student's ``teacher.checkpoint`` is to name. The config says
what network the teacher is; every weight of it must be in the source, and every weight of the source must have its
place in it, otherwise the teacher would be another network than the one that was trained.

What weights do not show comes as config options, which the student's config must be told, too; the tool prints them:

- the classifier's number of identities, which is the source's. The classifier comes along because teachers are loaded
  strictly, though teaching does not use it;
- no IBN, no ReLU in the stem, no padding in its max pooling, where the source's network has it so.

The last stride (1) and the kind of pooling are as the config says. All three projects normalise as this package does:
RGB, ImageNet's mean and standard deviation (on [0, 1], in fast-reid times 255, which is the same). Crops are 256x128
in BoT and AGW, other sizes are for the config to say.

    mmpersonsearch convert reid market_bot_R50-ibn.pth --from fast-reid \
        --config bot_r50ibn_prw --out work_dirs/bot_market/teacher.pth
"""

from __future__ import annotations

import argparse
import io
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.checkpoint import check_fits, load_checkpoint_file
from mmpersonsearch.utils.files import write_whole

from .command_line import exit_on_bad_input
from .reid_key_names import PROJECTS, Project
from .run_config import read_config

COUNTER = "num_batches_tracked"


class Renamed(NamedTuple):
    """Weights under a teacher's names.

    Attributes:
        weights: They, by the teacher's key.
        origins: Key in the source, by the teacher's key.
        left: Why a key of the source was not taken over, by that key.
    """

    weights: dict[str, Tensor]
    origins: dict[str, str]
    left: dict[str, str]


def read_source(path: str, project: Project) -> dict[str, Tensor]:
    """Read the weights of a published checkpoint.

    Args:
        path: File or address; the weights may lie under ``model`` or ``state_dict`` in it.
        project: Where it comes from.

    Returns:
        Weights by the source's keys, without ``module.`` before them.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be read without unpickling, or it holds something other than weights.
    """
    try:
        checkpoint = load_checkpoint_file(path)
    except ValueError as error:
        raise ValueError(
            f"{error}. If it holds a whole model, as torch.save(model) writes it, and you trust who made it, then save "
            f'its weights alone, in a checkout of {project.url}: python -c "import torch; '
            f"torch.save(torch.load('{path}', map_location='cpu', weights_only=False).state_dict(), 'weights.pth')\""
        ) from error
    for key in ("model", "state_dict"):
        if isinstance(checkpoint.get(key), dict):
            checkpoint = checkpoint[key]
    for key, value in checkpoint.items():
        if not isinstance(value, Tensor):
            raise ValueError(f"{path}: {key} is a {type(value).__name__}, expected weights (tensors by their names)")
    return {key.removeprefix("module."): value for key, value in checkpoint.items()}


def rename_weights(weights: dict[str, Tensor], project: Project, path: str) -> Renamed:
    """Give weights a teacher's names.

    Raises:
        ValueError: A key has no place in any teacher, or two keys have the same; no teacher equals the network.
    """
    refusal = project.refusal(weights)
    if refusal is not None:
        raise ValueError(f"{path}: {refusal}")
    renamed, unknown = Renamed({}, {}, {}), []
    for key, value in weights.items():
        row = project.rename(key)
        if row is None:
            unknown.append(key)
        elif row.target is None:
            renamed.left[key] = row.why
        elif row.target in renamed.weights:
            raise ValueError(f"{path}: {renamed.origins[row.target]} and {key} are both weights for {row.target}")
        else:
            renamed.weights[row.target], renamed.origins[row.target] = value, key
    if unknown:
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise ValueError(
            f"{path}: {', '.join(unknown[:5])}{more} have no place in a teacher, and without them it would be another "
            "network than the one that was trained"
        )
    return renamed


def build_teacher(config: Config, options: dict[str, Any]) -> nn.Module:
    """Build a Re-ID config's model, untrained.

    Args:
        config: The config.
        options: Config options by keys under ``model``.
    """
    init_default_scope("mmpersonsearch")
    config.merge_from_dict({f"model.{key}": value for key, value in options.items()})
    return MODELS.build(config.model)


def teacher_options(renamed: Renamed, project: Project) -> dict[str, Any]:
    """Config options, by keys under ``model``, that make a config's model the source's network."""
    options = project.options(renamed.origins.values())
    classifier = renamed.weights.get("head.classifier.weight")
    return options if classifier is None else {**options, "head.num_ids": len(classifier)}


def fill_in(weights: dict[str, Tensor], teacher: nn.Module, project: Project) -> dict[str, float]:
    """Set what sources do not save: batch norms' counters of batches (old PyTorch) and the project's constants.

    Args:
        weights: Changed in place.
        teacher: What they are for.
        project: Whence they come.

    Returns:
        The values set, by key.
    """
    filled = {}
    for key, own in teacher.state_dict().items():
        value = 0 if key.endswith(COUNTER) else project.constants.get(key)
        if value is not None and key not in weights:
            weights[key] = torch.full_like(own, value)
            filled[key] = value
    return filled


def check_same_normalisation(source: dict[str, Tensor], project: Project, teacher: nn.Module, path: str) -> None:
    """Compare the normalisation that is saved in the source, if any, with the config's.

    Raises:
        ValueError: They differ.
    """
    for key, name in project.normalisation:
        if key not in source:
            continue
        theirs, ours = source[key].flatten().float(), getattr(teacher.data_preprocessor, name).flatten()
        if theirs.shape != ours.shape or not torch.allclose(theirs, ours, atol=1e-2):
            raise ValueError(
                f"{path}: {key} is {theirs.tolist()}, but data_preprocessor.{name} of the config is {ours.tolist()}: "
                "the teacher would see other images than it was trained on"
            )


def convert(path: str, project_name: str, config: Config) -> tuple[dict[str, Any], Renamed]:
    """Turn a published checkpoint into a teacher's.

    Args:
        path: The published checkpoint.
        project_name: One of ``PROJECTS``.
        config: A Re-ID config; the source's options are merged into it.

    Returns:
        The teacher's checkpoint, with ``meta`` and ``state_dict``, and what became of the source's keys.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file cannot be read safely, or it and the config's model do not fit each other; the message
            names the keys.
    """
    project = PROJECTS[project_name]
    source = read_source(path, project)
    renamed = rename_weights(source, project, path)
    options = teacher_options(renamed, project)
    teacher = build_teacher(config, options)
    check_same_normalisation(source, project, teacher, path)
    weights = dict(renamed.weights)
    filled = fill_in(weights, teacher, project)
    check_fits(teacher, weights, path, allow_unexpected=False)
    meta = dict(converted_from=project_name, source=Path(path).name, options=options, filled_in=filled)
    return dict(meta=meta, state_dict=weights), renamed


def print_summary(renamed: Renamed, meta: dict[str, Any]) -> None:
    """Print how many weights went where, which were left, and which were set."""
    table = Table(title=f"{meta['source']} ({meta['converted_from']})")
    for column in ("source", "teacher"):
        table.add_column(column, overflow="fold")
    table.add_column("weights", justify="right")
    parts = Counter((origin.split(".")[0], key.split(".")[0]) for key, origin in renamed.origins.items())
    for (source_part, part), number in parts.items():
        table.add_row(f"{source_part}.*", f"{part}.*", str(number))
    set_to = Counter((f"*.{COUNTER}" if k.endswith(COUNTER) else k, value) for k, value in meta["filled_in"].items())
    for (key, value), number in set_to.items():
        table.add_row("", f"{key}, set to {value}", str(number))
    for key, why in renamed.left.items():
        table.add_row(key, f"left: {why}", "1")
    Console().print(table)


def student_options(options: dict[str, Any]) -> str:
    """The teacher's options as a student's command line takes them."""
    pairs = ((key, str(value).replace(" ", "")) for key, value in options.items())
    return " ".join(f"'model.roi_head.reid_head.teacher.model.{key}={value}'" for key, value in pairs)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mmpersonsearch convert reid", description=__doc__.split("\n\n")[0])
    parser.add_argument("source", help="the published checkpoint: file or address")
    parser.add_argument("--from", dest="project", required=True, choices=list(PROJECTS), help="whose it is")
    parser.add_argument("--config", required=True, help="of a Re-ID model, file or name: the network of the teacher")
    parser.add_argument("--out", required=True, type=Path, help="the teacher's checkpoint")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, help="key=value, merged into the config")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with exit_on_bad_input("mmpersonsearch convert reid"):
        config = read_config(args.config, args.cfg_options)
        checkpoint, renamed = convert(args.source, args.project, config)
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    write_whole(args.out, buffer.getvalue())
    print_summary(renamed, checkpoint["meta"])
    print(f"wrote {args.out}; train the student with")
    asked = {k.removeprefix("model."): v for k, v in (args.cfg_options or {}).items() if k.startswith("model.")}
    print(f"  --cfg-options {student_options({**asked, **checkpoint['meta']['options']})}")
