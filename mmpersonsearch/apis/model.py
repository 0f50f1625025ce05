"""Models built for testing."""

import hashlib
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import mmengine
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from mmpersonsearch.engine.num_ids import count_rows, set_num_ids
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.checkpoint import load_checkpoint_file, load_strictly
from mmpersonsearch.utils.config_files import find_config, require_keys
from mmpersonsearch.utils.errors import InputError

# Arguments of DistilledPersonSearchDetector that only training needs.
DISTILLATION = ("teacher", "mu", "loss_hint", "loss_soft", "loss_bounded")


def build_model(
    config: str | Path | Config,
    checkpoint: str | None = None,
    device: str | torch.device = "cpu",
    cfg_options: dict[str, Any] | None = None,
) -> nn.Module:
    """Build the model of a config in eval mode, without the parts that only training needs, such as teachers.

    ::

        model = build_model("tdn_r50ibn_prw", "tdn.pth")

    Args:
        config: A config, its file, or the name of one of the package's, as ``mmpersonsearch configs`` lists them.
        checkpoint: File or URL, which must fill the whole model; None keeps the initial weights. A ``num_ids`` that the
            config leaves open (None) is the checkpoint's.
        device: Device of the model.
        cfg_options: Dotted keys of the config and their values.

    Raises:
        FileNotFoundError: There is no such config or checkpoint.
        InputError: Several configs have the name, it has no model, or the checkpoint does not fit the model; the
            message names the keys.
    """
    config = deepcopy(config) if isinstance(config, Config) else Config.fromfile(find_config(str(config)))
    config.merge_from_dict(cfg_options or {})
    require_keys(config, "model")
    init_default_scope(config.get("default_scope", "mmpersonsearch"))
    weights = {} if checkpoint is None else load_checkpoint_file(checkpoint)
    set_num_ids(config.model, count_rows(weights) or 1)  # without such weights only training reads it
    model = MODELS.build(_without_training(config.model)).eval()
    if checkpoint is not None:
        # The checkpoint also has parts that only training needs.
        load_strictly(model, weights, checkpoint, allow_unexpected=True)
    return model.to(device)


def _without_training(model: dict) -> dict:
    if model["type"] == "DistilledPersonSearchDetector":
        model = {key: value for key, value in model.items() if key not in DISTILLATION}
        model["type"] = "PersonSearchDetector"
    reid_head = model.get("roi_head", {}).get("reid_head")  # a two-step model has no RoI head of its own
    for part in (model, reid_head or {}):
        if part.get("teacher") is not None:
            part.update(teacher=None, loss_distill=None)
            model.get("roi_head", {}).pop("distill_on", None)
    return model


def published_weights(config: str) -> str | list[str] | None:
    """Return the weights that the metafile beside a config names for it, two of a two-step model; None without."""
    metafile = Path(config).resolve().parent / "metafile.yml"
    models = mmengine.load(metafile)["Models"] if metafile.is_file() else []
    return next((model.get("Weights") for model in models if model["Name"] == Path(config).stem), None)


def config_of_training(weights: str) -> Config:
    """Return the config that a checkpoint was trained by."""
    text = load_checkpoint_file(weights).get("meta", {}).get("cfg")
    if not text:
        raise InputError(f"{weights} has no config, expected model, a config or its name")
    return Config.fromstring(text, ".py")


def fingerprint(model: nn.Module, config: Config) -> str:
    """Compute ``sha256:`` and 16 hexadecimal digits of what embeddings depend on.

    These are the weights, the files of exported networks, the model's config and the test pipeline.
    """
    parts = {"model": config.model.to_dict(), "pipeline": [dict(step) for step in _test_pipeline(config)]}
    _forget_paths(parts)
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode())
    for key, value in model.state_dict().items():
        digest.update(f"{key} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    for part in model.modules():
        digest.update((getattr(part, "digest", None) or "").encode())
    return f"sha256:{digest.hexdigest()[:16]}"


def _test_pipeline(config: Config) -> list[dict]:
    return (config.get("test_dataloader") or {}).get("dataset", {}).get("pipeline", [])


def _forget_paths(config: Any) -> None:
    """Remove what says where weights come from: they themselves are compared."""
    for part in config.values() if isinstance(config, dict) else config if isinstance(config, list | tuple) else ():
        _forget_paths(part)
    if isinstance(config, dict):
        for key in ("init_cfg", "checkpoint", "path", "num_ids"):
            config.pop(key, None)
