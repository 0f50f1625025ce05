"""Configs of the commands: reading, changes by command-line arguments, and what is built from them."""

import os
import os.path as osp
import sys
from argparse import Namespace
from glob import glob
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.dataset import BaseDataset
from mmengine.dist import is_main_process
from mmengine.runner import find_latest_checkpoint

from mmpersonsearch.engine.num_ids import count_rows, count_training_identities, open_parts, set_num_ids
from mmpersonsearch.evaluation.metrics import PersonSearchMetric
from mmpersonsearch.registry import DATASETS, METRICS
from mmpersonsearch.utils.checkpoint import load_checkpoint_file
from mmpersonsearch.utils.config_files import find_config, read_config_file
from mmpersonsearch.utils.errors import InputError

from .command_line import remember_variables
from .config_options import check_options

# What differs from run to run; what a checkpoint's optimizer, schedulers and seed override.
RUN_KEYS = ("work_dir", "load_from", "resume", "launcher")
STATE_KEYS = ("optim_wrapper.optimizer", "param_scheduler", "randomness.seed")


def read_config(
    path: str, options: dict[str, Any] | None = None, work_dir: str | None = None, allow_new_keys: bool = False
) -> Config:
    """Read a config file, merge the options over it and set its work dir.

    Modules that the config imports (``custom_imports``) may also be in the current folder.

    Args:
        path: The config's file or name; see :func:`find_config`, also for the errors.
        options: ``--cfg-options``: dotted keys and their values.
        work_dir: ``--work-dir``; by default the config's own, else ``work_dirs/<the config file's stem>``.
        allow_new_keys: ``--allow-new-keys``: whether options may have keys that nothing is known to read.

    Raises:
        InputError: The file is no config, or options do not fit it; see :func:`check_options`.
    """
    path = find_config(path)
    if os.getcwd() not in sys.path:  # Python adds only the folder of a script
        sys.path.append(os.getcwd())
    config = read_config_file(path)
    remember_variables(config.text)
    check_options(config, options or {}, allow_new_keys)
    config.merge_from_dict(options or {})
    fit_batch_to_sampler(config, options or {})
    stem = osp.splitext(osp.basename(path))[0]
    config.work_dir = work_dir or config.get("work_dir") or osp.join("work_dirs", stem)
    return config


def read_config_of(args: Namespace) -> Config:
    """Call :func:`read_config` with a command's arguments: config, options and, where it has one, work dir."""
    return read_config(args.config, args.cfg_options, getattr(args, "work_dir", None), args.allow_new_keys)


def fit_batch_to_sampler(config: Config, options: dict[str, Any]) -> None:
    """Set ``train_dataloader.batch_size`` to the batch of a ``PKSampler``, num_ids * num_instances.

    Raises:
        InputError: ``--cfg-options`` ask for another batch size.
    """
    loader = config.get("train_dataloader") or {}
    sampler = loader.get("sampler") or {}
    if str(sampler.get("type")).rpartition(".")[2] != "PKSampler":
        return
    num_ids, num_instances = sampler.get("num_ids", 16), sampler.get("num_instances", 4)
    size = num_ids * num_instances
    if loader.get("batch_size") == size:
        return
    if "train_dataloader.batch_size" in options:
        raise InputError(
            f"train_dataloader.batch_size is {loader.batch_size}, but PKSampler's batches have num_ids {num_ids} x "
            f"num_instances {num_instances} = {size} images: set train_dataloader.sampler.num_ids"
        )
    print(f"train_dataloader.batch_size is {size}: its sampler's {num_ids} identities x {num_instances} images")
    loader.batch_size = size


def choose_data_set(config: Config, name: str | None, needed: bool = True) -> None:
    """Have a config whose test split joins several data sets (``JointPersonSearchDataset``) test one of them.

    Args:
        config: Changed in place.
        name: ``--data-set``.
        needed: Whether one of several data sets has to be chosen.

    Raises:
        InputError: There is no data set of this name, or one is needed and none is named.
    """
    joint = (config.get("test_dataloader") or {}).get("dataset", {})
    names = list(joint.datasets) if joint.get("type") == "JointPersonSearchDataset" else []
    if name is None and needed and names:
        raise InputError(f"{config.filename} tests several data sets: choose one by --data-set, of {', '.join(names)}")
    if name is None:
        return
    if name not in names:
        known = f"expected one of {', '.join(names)}" if names else "its test split is of one data set only"
        raise InputError(f"--data-set {name}: {config.filename} has no such data set, {known}")
    config.test_dataloader.dataset = joint.datasets[name]


def build_evaluation(config: Config) -> tuple[PersonSearchMetric, BaseDataset]:
    """Build the person search metric of a config and the test split that it evaluates, without a pipeline.

    Raises:
        FileNotFoundError: A file of the data set is missing.
        InputError: The config has no such metric, a file is malformed, or the test split has no queries.
    """
    metric = METRICS.build(find_search_metric(config))
    dataset = DATASETS.build({**config.test_dataloader.dataset, "pipeline": []})
    metric.dataset_meta = dataset.metainfo
    if "search_protocol" not in metric.dataset_meta:
        raise InputError(
            f"{config.filename}: test_dataloader.dataset is a {type(dataset).__name__} without queries, "
            "expected the test split of a person search data set"
        )
    return metric, dataset


def find_search_metric(config: Config) -> ConfigDict:
    """Return the person search metric in ``test_evaluator``; to change it changes the config.

    Raises:
        InputError: There is none.
    """
    evaluators = config.get("test_evaluator") or []
    for evaluator in [evaluators] if isinstance(evaluators, dict) else evaluators:
        if evaluator["type"].rpartition(".")[2] in ("PersonSearchMetric", "PairSearchMetric"):
            return evaluator
    raise InputError(
        f"{config.filename}: expected a PersonSearchMetric or PairSearchMetric in test_evaluator, got {evaluators}"
    )


def score_threshold(config: Config) -> float:
    """Return the score below which a config's model, or its detector, leaves out detections; 0 for none."""
    model = config.get("model") or {}
    model = model.get("detector", model)
    return ((model.get("test_cfg") or {}).get("rcnn") or {}).get("score_thr", 0.0)


def resume_from(config: Config, resume: str | None) -> None:
    """Set a config to resume.

    Args:
        config: Changed in place.
        resume: A checkpoint; or ``auto``: the latest one in the work dir if there is one, else the training starts,
            from the config's ``load_from`` if it has one; or None: the config stays as it is.
    """
    if resume is None:
        return
    config.resume = True
    if resume != "auto":
        config.load_from = resume
    elif find_latest_checkpoint(config.work_dir) is not None:
        config.load_from = None  # MMEngine would resume from it, not from the work dir
    else:
        config.resume = False


def check_untrained(work_dir: str) -> None:
    """Raise ``InputError`` if a work dir has checkpoints of an earlier training."""
    found = find_latest_checkpoint(work_dir) if osp.isfile(osp.join(work_dir, "last_checkpoint")) else None
    names = (glob(osp.join(work_dir, f"{unit}_*.pth")) for unit in ("epoch", "iter"))
    if found := found or next((path for paths in names for path in paths), None):
        raise InputError(
            f"--work-dir {work_dir} has checkpoints of an earlier training ({found}): --resume continues it, another "
            "--work-dir begins anew"
        )


def find_resumed(config: Config) -> str | None:
    """Return the checkpoint that a training resumes, None if it starts."""
    return (config.get("load_from") or find_latest_checkpoint(config.work_dir)) if config.get("resume") else None


def read_resumed(config: Config) -> dict[str, Any] | None:
    """Read the checkpoint that a training resumes, None if it starts.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It cannot be read. The message also names the newest other one in the work dir.
    """
    path = find_resumed(config)
    if path is None:
        return None
    try:
        checkpoint = load_checkpoint_file(path)
        if lacking := [key for key in ("meta", "message_hub") if key not in checkpoint]:
            raise InputError(f"{path} has no {', '.join(lacking)}, expected a checkpoint of a training")
        return checkpoint
    except (InputError, FileNotFoundError) as error:
        names = [name for unit in ("epoch", "iter") for name in glob(osp.join(config.work_dir, f"{unit}_*.pth"))]
        others = sorted((name for name in names if osp.abspath(name) != osp.abspath(path)), key=osp.getmtime)
        before = f"the one before is {others[-1]}: --resume {others[-1]}" if others else "there is no other"
        origin = "" if config.get("load_from") else f"{osp.join(config.work_dir, 'last_checkpoint')} names it; "
        raise type(error)(f"{error}; {origin}{before}") from error


def fill_num_ids(config: Config) -> None:
    """Set the ``num_ids`` that a config leaves open, for training: of the checkpoint that it resumes, else of its data.

    Raises:
        FileNotFoundError: A file of the training set is missing.
        InputError: The identities of the training set cannot be counted.
    """
    if not any(open_parts(config.model)):
        return
    resumed = read_resumed(config)
    num_ids, place = resumed and count_rows(resumed), f"as in {find_resumed(config)}"
    if not num_ids:
        num_ids, place = count_training_identities(config), "the identities of the training set"
    set_num_ids(config.model, num_ids)
    if is_main_process():
        print(f"num_ids is {num_ids}: {place}")


def warn_of_changes(config: Config) -> None:
    """Print what differs between a config that resumes and that of the checkpoint, and what of it takes effect."""
    resumed = read_resumed(config) if is_main_process() else None
    text = (resumed or {}).get("meta", {}).get("cfg")
    if not text:
        return
    path = find_resumed(config)
    before, now = flatten(Config.fromstring(text, ".py").to_dict()), flatten(config.to_dict())
    lines = []
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key) and not key.startswith(RUN_KEYS):
            effect = "no effect: the checkpoint's state goes on" if key.startswith(STATE_KEYS) else "takes effect"
            lines.append(f"  {key}: {before.get(key, 'absent')} -> {now.get(key, 'absent')} ({effect})")
    if lines:
        print("\n".join([f"WARNING: the config differs from that of {path}:", *lines]), file=sys.stderr)


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Map dotted keys to the values of nested dictionaries and lists."""
    if not isinstance(value, dict | list | tuple) or not value:
        return {prefix: list(value) if isinstance(value, tuple) else value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {key: one for name, part in items for key, one in flatten(part, f"{prefix}.{name}".strip(".")).items()}


def use_mixed_precision(config: Config, has_accelerator: bool) -> None:
    """Set a config to automatic mixed precision (``--amp``): MMEngine's, or ours on a CPU.

    Raises:
        InputError: The config has another optimizer wrapper.
    """
    wrapper = "AmpOptimWrapper" if has_accelerator else "CPUAmpOptimWrapper"
    kind = config.optim_wrapper.get("type", "OptimWrapper")
    if kind not in ("OptimWrapper", wrapper):
        raise InputError(f"--amp: optim_wrapper.type is {kind!r}, expected 'OptimWrapper' or {wrapper!r}")
    config.optim_wrapper.type = wrapper
    if has_accelerator:
        config.optim_wrapper.setdefault("loss_scale", "dynamic")


def scale_learning_rate(config: Config) -> None:
    """Set a config to scale its learning rate to the batch size of all GPUs (``--auto-scale-lr``).

    Raises:
        InputError: The config lacks the batch size of its learning rate.
    """
    if "base_batch_size" not in config.get("auto_scale_lr", {}):
        raise InputError(
            f"--auto-scale-lr: {config.filename} has no auto_scale_lr.base_batch_size, expected the batch "
            "size of its learning rate, such as auto_scale_lr=dict(base_batch_size=4)"
        )
    config.auto_scale_lr.enable = True
