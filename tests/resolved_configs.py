"""What each config comes to: digests of the whole config and of its model's weights, in ``resolved_configs.json``.

From the repository's root, ``python tests/resolved_configs.py --show FOLDER`` writes each config in full, as it is
compared, to look at what differs where a digest does. ``--write`` writes the record anew: it says what configs came to
before a refactoring, so it is written only where a config is meant to come to something else.
"""

import argparse
import hashlib
import json
import os
import re
import sys
from pathlib import Path

import torch
from as_before import as_before
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmpersonsearch.engine.num_ids import set_num_ids
from mmpersonsearch.registry import MODELS

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
RECORD = TESTS / "resolved_configs.json"
NUM_IDS = 1000
_VARIABLE = re.compile(r"\{\{\s*\$(\w+)")
sys.path.insert(0, str(ROOT))  # configs of projects import projects.*


def config_files():
    """All config files, those in ``_base_`` too."""
    folders = [ROOT / "configs", *sorted(ROOT.glob("projects/**/configs"))]
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]


def leaves():
    """Each config that is not in ``_base_``, wherever it lies, by its stem.

    Raises:
        ValueError: Two have the same stem.
    """
    found = {}
    for path in config_files():
        if "_base_" in path.relative_to(ROOT).parts:
            continue
        if path.stem in found:
            raise ValueError(f"two configs of the name {path.stem}: {found[path.stem]} and {path}")
        found[path.stem] = path
    return found


def environment_variables():
    """Names of the variables that configs read."""
    return sorted({name for path in config_files() for name in _VARIABLE.findall(path.read_text())})


def as_text(cfg):
    """A config, plain data, as text that does not depend on the order of keys."""
    return json.dumps(cfg, sort_keys=True, indent=1)


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def weights_of(model):
    """Names, shapes and types of a model's weights, as text."""
    lines = [f"{key} {tuple(value.shape)} {value.dtype}" for key, value in sorted(model.state_dict().items())]
    return "".join(f"{line}\n" for line in lines)


def build_without_weights(cfg):
    """The model of a config, most of them on the meta device: a two-step model computes with pixels when built.

    A ``num_ids`` that the config leaves to the data is ``NUM_IDS``.
    """
    init_default_scope(cfg.default_scope)
    set_num_ids(cfg.model, NUM_IDS)
    with torch.device("cpu" if cfg.model.type == "TwoStepPersonSearch" else "meta"):
        return MODELS.build(cfg.model)


def resolve(path):
    """The config of a file as text, as it would have been before, and its model's weights as text."""
    cfg = Config.fromfile(path)
    return as_text(as_before(cfg.to_dict())), weights_of(build_without_weights(cfg))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", type=Path, metavar="FOLDER", help="write each config in full, and its weights")
    parser.add_argument("--write", action="store_true", help="write the record anew")
    args = parser.parse_args()
    for name in environment_variables():
        os.environ.pop(name, None)
    record = {}
    for stem, path in sorted(leaves().items()):
        config, weights = resolve(path)
        record[stem] = dict(config=digest(config), weights=digest(weights))
        if args.show:
            args.show.mkdir(parents=True, exist_ok=True)
            (args.show / f"{stem}.json").write_text(config + "\n")
            (args.show / f"{stem}.weights.txt").write_text(weights)
    if args.write:
        RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
