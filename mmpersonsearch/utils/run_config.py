"""What the command-line tools do to a config before they run it."""

import os.path as osp
from typing import Any

from mmengine.config import Config
from mmengine.dataset import BaseDataset

from mmpersonsearch.registry import DATASETS


def read_config(path: str, options: dict[str, Any] | None = None, work_dir: str | None = None) -> Config:
    """Read a config file, merge options from the command line over it and settle the work dir.

    Args:
        path: The config file.
        options: ``--cfg-options``: dotted keys and their values.
        work_dir: ``--work-dir``. Without one, the config's own ``work_dir`` holds, else
            ``work_dirs/<the config file's stem>``.

    Raises:
        FileNotFoundError: There is no such config file.
    """
    if not osp.isfile(path):
        raise FileNotFoundError(f"config file {path} does not exist (looked for {osp.abspath(path)})")
    config = Config.fromfile(path)
    config.merge_from_dict(options or {})
    stem = osp.splitext(osp.basename(path))[0]
    config.work_dir = work_dir or config.get("work_dir") or osp.join("work_dirs", stem)
    return config


def build_test_dataset(config: Config) -> BaseDataset:
    """The test split of a config without its pipeline: annotations, queries and where the images are.

    Raises:
        FileNotFoundError: A file of the data set is missing.
        ValueError: The content of a file is wrong, or the config's test split is not one for person search.
    """
    dataset = DATASETS.build({**config.test_dataloader.dataset, "pipeline": []})
    if "search_protocol" not in dataset.metainfo:
        raise ValueError(
            f"{config.filename}: test_dataloader.dataset is a {type(dataset).__name__} without queries, "
            "expected the test split of a person search data set"
        )
    return dataset


def resume_from(config: Config, resume: str | None) -> None:
    """Set up resuming: from the latest checkpoint of the work dir, or from a given one.

    Args:
        config: Changed in place.
        resume: ``None``: the config's own ``resume`` holds. ``auto``: go on from the work dir's latest checkpoint,
            or start where there is none. Else a checkpoint.
    """
    if resume is None:
        return
    config.resume = True
    config.load_from = None if resume == "auto" else resume


def use_mixed_precision(config: Config, has_accelerator: bool) -> None:
    """Put the optimizer behind automatic mixed precision (``--amp``).

    Raises:
        ValueError: There is no accelerator, or the config's optimizer wrapper is one of its own kind.
    """
    if not has_accelerator:
        raise ValueError("--amp: MMEngine's mixed precision needs a GPU and none was found; leave --amp out")
    kind = config.optim_wrapper.get("type", "OptimWrapper")
    if kind not in ("OptimWrapper", "AmpOptimWrapper"):
        raise ValueError(f"--amp: optim_wrapper.type is {kind!r}, expected 'OptimWrapper' or 'AmpOptimWrapper'")
    config.optim_wrapper.type = "AmpOptimWrapper"
    config.optim_wrapper.setdefault("loss_scale", "dynamic")


def scale_learning_rate(config: Config) -> None:
    """Let the runner scale the learning rate to the batch of all GPUs (``--auto-scale-lr``).

    Raises:
        ValueError: The config does not say for which batch its learning rate is meant.
    """
    if "base_batch_size" not in config.get("auto_scale_lr", {}):
        raise ValueError(
            f"--auto-scale-lr: {config.filename} has no auto_scale_lr.base_batch_size, expected the number of "
            "images that its learning rate is meant for, such as auto_scale_lr=dict(base_batch_size=4)"
        )
    config.auto_scale_lr.enable = True
