"""What can be known of a config before it runs: data, identities, thresholds, frozen checkpoints, batches, schedule."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from math import ceil, inf, nan
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from mmpersonsearch.datasets.checks import (
    Split,
    check_boxes,
    check_identities,
    check_images,
    check_queries,
    read_images,
    read_splits,
)
from mmpersonsearch.engine.hooks import identity_counts
from mmpersonsearch.registry import DATA_SAMPLERS
from mmpersonsearch.utils.checkpoint import find_checkpoint, find_weights, load_checkpoint_file
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.faults import ERROR, WARNING, Faults

from .run_config import score_threshold

SPLITS = ("train", "val", "test")
_MANY = 1.5  # times as many identities as the data have


def check_before(runner: Runner, splits: Sequence[str]) -> None:
    """Check what needs no image decoded, and log the warnings; each rank may call this, and finds the same.

    Raises:
        InputError: Names all faults that would stop the run or spoil its result.
    """
    check_data(runner.cfg, splits, runner.model)


def check_data(config: Config, splits: Sequence[str], model: nn.Module | None = None) -> None:
    """Do what :func:`check_before` does, of the model too if there is one already."""
    faults = check_config(config, model, splits)
    for line in faults.lines(WARNING):
        print_log(line, logger="current", level=logging.WARNING)
    if errors := faults.lines(ERROR):
        head = f"{len(errors)} faults of {config.filename}\n" if len(errors) > 1 else f"{config.filename}: "
        raise InputError(head + "\n".join(errors))


def count_readable_identities(config: Config) -> int:
    """Count the identities of the training set, its faulty records left out."""
    parts = _datasets(config, ("train",))
    return sum(len(split.identities()) for part in parts for split in read_splits(*part, Faults()))


def check_config(
    config: Config, model: nn.Module | None, names: Sequence[str] = SPLITS, workers: int | None = None
) -> Faults:
    """Check a config.

    Args:
        config: The config.
        model: Its model; without one, its identities and frozen checkpoints are not checked.
        names: Of ``SPLITS``, those to check; those that the config lacks are left out.
        workers: Processes that decode the images; None decodes none.
    """
    faults = Faults()
    splits = [split for part in _datasets(config, names) for split in read_splits(*part, faults)]
    paths = (path for split in splits for path in (*split.paths, *split.other_paths))
    images = {} if workers is None else read_images(paths, workers)
    check_images(splits, images, faults)
    for split in splits:
        check_boxes(split, faults)
        if split.training:
            check_identities(split, faults)
        elif split.protocol is not None:
            check_queries(split, faults)
    training = [split for split in splits if split.training]
    if model is not None and "train" in names and config.get("train_dataloader"):
        _check_model(config, model, training, faults)
    if training:
        _check_schedule(config, _check_batches(config, training, faults), faults)
    _check_thresholds(config, names, faults)
    return faults


def _datasets(config: Config, names: Sequence[str]) -> list[tuple[dict[str, Any], str, bool]]:
    """Configs of data sets, each once, with the names of their splits and whether one is trained on."""
    found: dict[str, tuple[dict, list[str]]] = {}
    for name in names:
        if loader := config.get(f"{name}_dataloader"):
            dataset = loader["dataset"]
            key = repr({key: value for key, value in dataset.items() if key != "pipeline"})
            found.setdefault(key, (dataset, []))[1].append(name)
    return [(dataset, ", ".join(places), "train" in places) for dataset, places in found.values()]


def _check_model(config: Config, model: nn.Module, training: Sequence[Split], faults: Faults) -> None:
    model = model.module if is_model_wrapper(model) else model
    identities = [number for split in training for number in split.identities()]
    counts = identity_counts(model)
    number = len(identities)
    for name, own in counts.items():
        if own < number:
            kind = f"parts with fewer identities than the {number} of the training set: set num_ids={number}"
            faults.add(ERROR, "model", kind, f"model.{name}.num_ids is {own}")
        elif own > _MANY * number > 0:
            kind = f"parts with far more identities than the {number} of the training set"
            faults.add(WARNING, "model", kind, f"model.{name}.num_ids is {own}")
    metainfo = dict(num_ids=number, identities=identities)
    files = [part["checkpoint"] for part in _dicts(config.model) if part.get("type") == "Pretrained"]
    steps = [partial(find_checkpoint, path) for path in dict.fromkeys(files) if path != "none" and "://" not in path]
    owners = [part for part in model.modules() if hasattr(part, "load_frozen")]
    if not identities:  # a LUT cannot be compared with what could not be read
        owners = [part for part in owners if getattr(part, "lut_checkpoint", None) is None]
    steps += [partial(part.load_frozen, model, metainfo, resumed=bool(config.get("resume"))) for part in owners]
    if (path := config.get("load_from")) and "://" not in path:
        steps.append(partial(_check_starting_weights, path, model))
    for step in steps:
        try:
            step()
        except (InputError, FileNotFoundError) as error:
            faults.add_message(ERROR, "model", str(error))


def _check_starting_weights(path: str, model: nn.Module) -> None:
    """Raise InputError where MMEngine would start a training at random and only log what does not fit."""
    weights, own = find_weights(load_checkpoint_file(path)), model.state_dict()
    known = [key for key in own if key in weights]
    other = [key for key in known if key.startswith("backbone.") and weights[key].shape != own[key].shape]
    wrong = [f"{key} has shape {tuple(weights[key].shape)}, expected {tuple(own[key].shape)}" for key in other[:3]]
    if len(other) > 3:
        wrong.append(f"and {len(other) - 3} more of the backbone")
    if not known:
        wrong = ["it has none of its weights"]
    if wrong:
        raise InputError(f"load_from {path} does not fit {type(model).__name__}: {'; '.join(wrong)}")


def _dicts(config: Any) -> Iterator[dict]:
    """All dictionaries in a config but those of teachers, which have their own checkpoint."""
    if isinstance(config, dict):
        yield config
    parts = config.items() if isinstance(config, dict) else enumerate(config) if isinstance(config, list) else ()
    for key, part in parts:
        if key != "teacher":
            yield from _dicts(part)


def _check_batches(config: Config, training: Sequence[Split], faults: Faults) -> float:
    """Check what the sampler needs; returns the iterations of an epoch, NaN where they are not known."""
    loader, number = config.train_dataloader, sum(len(split.img_ids) for split in training)
    sampler, size = loader.get("sampler") or {}, loader.get("batch_size", 1)
    if _is(loader.get("batch_sampler") or {}, "IdentityPairBatchSampler"):
        pairs = [np.unique(np.column_stack([s.person_ids, s.image])[s.person_ids >= 0], axis=0) for s in training]
        if all(len(p) == len(np.unique(p[:, 0])) for p in pairs):
            faults.add_message(ERROR, "train", "IdentityPairBatchSampler: no two images share an identity")
        return nan
    if _is(sampler, "PKSampler") and training[0].dataset is not None:
        try:
            own = DATA_SAMPLERS.build({**sampler, "seed": 0}, default_args=dict(dataset=training[0].dataset))
        except InputError as error:
            faults.add_message(ERROR, "train", str(error))
            return nan
        return len(own) / (own.num_ids * own.num_instances)
    if not _is(sampler, "DefaultSampler"):
        return nan
    iterations = ceil(number / get_world_size()) / size
    return int(iterations) if loader.get("drop_last") else ceil(iterations)


def _is(config: dict, name: str) -> bool:
    return str(config.get("type")).rpartition(".")[2] == name


def _check_schedule(config: Config, iterations: float, faults: Faults) -> None:
    """Add what would come after the training's end; ``iterations`` are those of an epoch."""
    epochs, iters = config.train_cfg.get("max_epochs", nan), config.train_cfg.get("max_iters", nan)
    if iterations == 0:
        faults.add_message(ERROR, "train", "an epoch has no batch: drop_last, and fewer images than batch_size")
    ends = {
        True: np.fmax(epochs, iters / iterations if iterations else nan),
        False: np.fmax(iters, epochs * iterations),
    }
    schedulers = config.get("param_scheduler") or []
    hooks = [hook for hook in config.get("custom_hooks") or [] if _is(hook, "LossWeightScheduleHook")]
    for part in [*([schedulers] if isinstance(schedulers, dict) else schedulers), *hooks]:
        by_epoch = part.get("by_epoch", True)
        times = [time[0] if isinstance(time, list | tuple) else time for time in part.get("milestones", ())]
        times.append(part.get("begin", 0))
        late = [time for time in times if time >= ends[by_epoch]]
        late += [end for end in [part.get("end", 0)] if inf > end > ends[by_epoch]]
        if late:
            unit = "epoch" if by_epoch else "iteration"
            kind = f"schedules of {part['type']} that training does not reach, it ends with {unit} {ends[by_epoch]:g}"
            faults.add(WARNING, "schedule", kind, f"{unit} {max(late):g}")


def _check_thresholds(config: Config, names: Sequence[str], faults: Faults) -> None:
    least = score_threshold(config)
    for name in names:
        for part in _dicts(config.get(f"{name}_evaluator")):
            searches = any(_is(part, f"{kind}Metric") for kind in ("PersonSearch", "PairSearch", "Detection"))
            if searches and (own := part.get("det_thr", 0.5)) < least:
                message = (
                    f"det_thr {own} of {part['type']} cannot act: model.test_cfg.rcnn.score_thr leaves out "
                    f"detections below {least}"
                )
                faults.add_message(WARNING, name, message)
