"""Fingerprints of the configs that a run depends on, so that a result is known to be of today's configs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from mmengine.config import Config

from .stages import PROJECT

# From digests of configs that have changed in words only, such as the name of a part, to those of today.
RENAMED = PROJECT / "results/digests.json"
# The keys of a config that its results depend on, beside the number of iterations.
DIGESTED = (
    "model",
    "train_dataloader",
    "optim_wrapper",
    "param_scheduler",
    "custom_hooks",
    "test_dataloader",
    "test_evaluator",
)


def digest_config(config: Config, needs: list[str], work_dir: Path) -> str:
    """Digest a config, wherever its work dir lies.

    Args:
        config: With its schedule scaled and its checkpoints' paths filled in.
        needs: Digests of the trainings whose checkpoints it reads.
        work_dir: Removed from paths.
    """
    parts = {key: value for key, value in config.to_dict().items() if key in DIGESTED}
    parts["iterations"] = config.get("train_cfg", {}).get("max_iters")
    text = json.dumps(parts, sort_keys=True, default=str).replace(str(work_dir), "")
    return hashlib.sha256("".join([text, *needs]).encode()).hexdigest()[:16]


def current_digest(digest: str) -> str:
    """Return today's digest for one that may be older; one that is in no map stays as it is."""
    renamed = json.loads(RENAMED.read_text())
    while digest in renamed:
        digest = renamed[digest]
    return digest
