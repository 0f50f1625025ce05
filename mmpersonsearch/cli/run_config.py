"""What the command-line tools do to a config before they run it."""

import os
import os.path as osp
import sys
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.dataset import BaseDataset
from mmengine.runner import find_latest_checkpoint

from mmpersonsearch.registry import DATASETS
from mmpersonsearch.utils.config_files import find_config
from mmpersonsearch.utils.errors import InputError


def read_config(path: str, options: dict[str, Any] | None = None, work_dir: str | None = None) -> Config:
    """Read a config file, merge options from the command line over it and settle the work dir.

    What the config imports (``custom_imports``), as ``projects.tattoo_search.tattoo_search``, is looked for in the
    current folder too.

    Args:
        path: The config file, or the name of one of the package's: see :func:`find_config`.
        options: ``--cfg-options``: dotted keys and their values.
        work_dir: ``--work-dir``. Without one, the config's own ``work_dir`` holds, else
            ``work_dirs/<the config file's stem>``.

    Raises:
        FileNotFoundError: There is no such config.
        InputError: Several configs have the name.
    """
    path = find_config(path)
    if os.getcwd() not in sys.path:  # of a script, Python adds only the script's own folder
        sys.path.append(os.getcwd())
    config = Config.fromfile(path)
    config.merge_from_dict(options or {})
    stem = osp.splitext(osp.basename(path))[0]
    config.work_dir = work_dir or config.get("work_dir") or osp.join("work_dirs", stem)
    return config


def build_test_dataset(config: Config) -> BaseDataset:
    """The test split of a config without its pipeline: annotations, queries and where the images are.

    Raises:
        FileNotFoundError: A file of the data set is missing.
        InputError: The content of a file is wrong, or the config's test split is not one for person search.
    """
    dataset = DATASETS.build({**config.test_dataloader.dataset, "pipeline": []})
    if "search_protocol" not in dataset.metainfo:
        raise InputError(
            f"{config.filename}: test_dataloader.dataset is a {type(dataset).__name__} without queries, "
            "expected the test split of a person search data set"
        )
    return dataset


def find_search_metric(config: Config) -> ConfigDict:
    """The person search metric of a config's test: what is changed here is changed in the config.

    Raises:
        InputError: ``test_evaluator``, one metric or a list of them, has none.
    """
    evaluators = config.get("test_evaluator") or []
    for evaluator in [evaluators] if isinstance(evaluators, dict) else evaluators:
        if evaluator["type"].rpartition(".")[2] == "PersonSearchMetric":
            return evaluator
    raise InputError(f"{config.filename}: expected a PersonSearchMetric in test_evaluator, got {evaluators}")


def resume_from(config: Config, resume: str | None) -> None:
    """Set up resuming: from the latest checkpoint of the work dir, or from a given one.

    Args:
        config: Changed in place.
        resume: ``None``: the config's own ``resume`` holds. ``auto``: resume from the work dir's latest checkpoint,
            or where there is none, start as without ``--resume``, from ``load_from`` if the config has one. Else a
            checkpoint.
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
    """Put the optimizer behind automatic mixed precision (``--amp``): MMEngine's, or on a CPU ours.

    Raises:
        InputError: The config's optimizer wrapper is one of its own kind.
    """
    wrapper = "AmpOptimWrapper" if has_accelerator else "CPUAmpOptimWrapper"
    kind = config.optim_wrapper.get("type", "OptimWrapper")
    if kind not in ("OptimWrapper", wrapper):
        raise InputError(f"--amp: optim_wrapper.type is {kind!r}, expected 'OptimWrapper' or {wrapper!r}")
    config.optim_wrapper.type = wrapper
    if has_accelerator:
        config.optim_wrapper.setdefault("loss_scale", "dynamic")


def scale_learning_rate(config: Config) -> None:
    """Let the runner scale the learning rate to the batch of all GPUs (``--auto-scale-lr``).

    Raises:
        InputError: The config does not say for which batch its learning rate is meant.
    """
    if "base_batch_size" not in config.get("auto_scale_lr", {}):
        raise InputError(
            f"--auto-scale-lr: {config.filename} has no auto_scale_lr.base_batch_size, expected the number of "
            "images that its learning rate is meant for, such as auto_scale_lr=dict(base_batch_size=4)"
        )
    config.auto_scale_lr.enable = True
