"""Configs of the commands: reading, changes by command-line arguments, and what is built from them."""

import os
import os.path as osp
import sys
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.dataset import BaseDataset
from mmengine.runner import find_latest_checkpoint

from mmpersonsearch.evaluation.metrics import PersonSearchMetric
from mmpersonsearch.registry import DATASETS, METRICS
from mmpersonsearch.utils.config_files import find_config
from mmpersonsearch.utils.errors import InputError


def read_config(path: str, options: dict[str, Any] | None = None, work_dir: str | None = None) -> Config:
    """Read a config file, merge the options over it and set its work dir.

    Modules that the config imports (``custom_imports``) may also be in the current folder.

    Args:
        path: The config's file or name; see :func:`find_config`, also for the errors.
        options: ``--cfg-options``: dotted keys and their values.
        work_dir: ``--work-dir``; by default the config's own, else ``work_dirs/<the config file's stem>``.
    """
    path = find_config(path)
    if os.getcwd() not in sys.path:  # Python adds only the folder of a script
        sys.path.append(os.getcwd())
    config = Config.fromfile(path)
    config.merge_from_dict(options or {})
    fit_batch_to_sampler(config, options or {})
    stem = osp.splitext(osp.basename(path))[0]
    config.work_dir = work_dir or config.get("work_dir") or osp.join("work_dirs", stem)
    return config


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
        if evaluator["type"].rpartition(".")[2] == "PersonSearchMetric":
            return evaluator
    raise InputError(f"{config.filename}: expected a PersonSearchMetric in test_evaluator, got {evaluators}")


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
