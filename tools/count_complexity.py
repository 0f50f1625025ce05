"""Count the parameters and floating-point operations of the papers' configs, and keep them in configs/complexity.json.

Of a model that detects: an image of 960x600 pixels with ten persons, RPN included, as ``mmpersonsearch flops`` counts;
of a Re-ID model: a crop of 256x128; of a two-step model: both, with ten crops. Operations of networks that the counter
does not know are null.

python tools/count_complexity.py                              # all, 2 to 15 minutes
python tools/count_complexity.py --check tdn_r50ibn_prw ...   # exit with 1 if the file says otherwise
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch

from mmpersonsearch.apis import build_model
from mmpersonsearch.cli.flops import count_gflops, count_parts
from mmpersonsearch.models.detectors import PersonDetector, TwoStepPersonSearch
from mmpersonsearch.utils.files import write_whole

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "configs/complexity.json"
IMAGE, CROP, NUM_PERSONS = (600, 960), (256, 128), 10


def list_papers_configs() -> dict[str, Path]:
    """Return the papers' configs by name."""
    return {path.stem: path for path in sorted(ROOT.glob("configs/*/*.py")) if path.parent.name != "_base_"}


@torch.no_grad()
def count(config: Path) -> dict[str, int | None]:
    """Count ``parameters`` and ``flops`` of a config's model as it is tested."""
    with torch.device("meta"):
        model = build_model(config, device="meta")
        gflops = count_model(model)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return dict(parameters=parameters, flops=None if gflops is None else round(gflops * 1e9))


def count_model(model: torch.nn.Module) -> float | None:
    """Count the GFLOPs of a detecting, a Re-ID or a two-step model; None of one that the counter does not know."""
    if isinstance(model, PersonDetector):
        return count_parts(model, *IMAGE, NUM_PERSONS)["total_with_rpn"]
    if isinstance(model, TwoStepPersonSearch):
        detector, reid = count_model(model.detector), count_model(model.reid)
        return None if detector is None or reid is None else detector + NUM_PERSONS * reid
    if hasattr(model, "head"):  # Re-ID models alone
        return count_gflops(model, torch.randn(1, 3, *CROP))
    return None


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", nargs="+", metavar="CONFIG", help="count these alone, write nothing")
    args = parser.parse_args(argv)
    configs = list_papers_configs()
    counted = {name: count(configs[name]) for name in args.check or configs}
    if args.check:
        kept = json.loads(FILE.read_text())
        wrong = [name for name in counted if kept.get(name) != counted[name]]
        if wrong or kept.keys() != configs.keys():
            sys.exit(f"tools/count_complexity.py: not up to date: {wrong or sorted(kept.keys() ^ configs.keys())}")
        return
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in counted.items()]
    write_whole(FILE, ("{\n" + ",\n".join(lines) + "\n}\n").encode())


if __name__ == "__main__":
    main()
