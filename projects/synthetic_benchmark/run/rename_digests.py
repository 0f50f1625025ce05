"""Map the digests of before to those of today where configs have changed in words only.

That no run depends on the change must be known (``tests/test_resolved_configs.py``). Before the change, and after it:

python -m projects.synthetic_benchmark.run.rename_digests --write before.json
python -m projects.synthetic_benchmark.run.rename_digests --map before.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .digests import RENAMED
from .methods import METHODS
from .plan import Planner

SEEDS = range(4)


def list_digests() -> dict[str, str]:
    """Return today's digests of all trainings, by work dir, and of methods without their own, by method and seed."""
    planner = Planner(Path("work_dir").resolve())
    found = {}
    for seed in SEEDS:
        for name, method in METHODS.items():
            if method.tests is not None:
                found[f"{name} {seed}"] = planner.digest(name, seed)
            else:
                planner.plan(name, seed)
    return found | {str(one.folder.relative_to(planner.work_dir)): one.digest for one in planner.trainings()}


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--write", type=Path, metavar="FILE", help="write today's digests")
    group.add_argument("--map", type=Path, metavar="FILE", help="map the digests of FILE to today's")
    args = parser.parse_args(argv)
    today = list_digests()
    if args.write:
        args.write.write_text(json.dumps(today, indent=1) + "\n")
        return
    before = json.loads(args.map.read_text())
    renamed = json.loads(RENAMED.read_text())
    renamed |= {old: today[name] for name, old in before.items() if name in today and today[name] != old}
    RENAMED.write_text(json.dumps(dict(sorted(renamed.items())), indent=1) + "\n")


if __name__ == "__main__":
    main()
