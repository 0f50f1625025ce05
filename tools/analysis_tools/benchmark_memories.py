"""Measures the memories' updates in the shape of CUHK-SYSU: 128 samples, 5,532 identities, 256 channels.

Beside it, in the same process, a loop over samples as public code has it; both must give the same table.

    benchmark_memories.py --rounds 200
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor

from mmpersonsearch.models.memories import CircularQueue, LookupTable


def draw_person_ids(num_samples: int, num_ids: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Identities of a batch: drawn from all; several RoIs a person, as a detector samples them; one person only."""
    few = torch.randint(num_ids, (-(-num_samples // 8),), generator=generator).repeat_interleave(8)
    return {
        "LUT, drawn from all": torch.randint(num_ids, (num_samples,), generator=generator),
        "LUT, 8 samples a person": few[torch.randperm(num_samples, generator=generator)],
        "LUT, one person": torch.zeros(num_samples, dtype=torch.int64),
    }


def loop_over_samples(lut: LookupTable, feats: Tensor, person_ids: Tensor) -> None:
    """The update as public code computes it."""
    table, momentum = lut.features, lut.momentum
    for feat, person_id in zip(feats, person_ids.tolist()):
        table[person_id] = momentum * table[person_id] + (1 - momentum) * feat
        table[person_id] /= table[person_id].norm()


def median_ms(function: Callable[[], object], rounds: int, device: torch.device) -> float:
    """Median time of a call in milliseconds."""
    times = []
    for _ in range(rounds + 3):
        started = time.perf_counter()
        function()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times[3:])  # the first calls warm up


def measure_lut(feats: Tensor, person_ids: Tensor, num_ids: int, rounds: int) -> dict:
    """Milliseconds of the update and of the loop, and how far apart the tables of one update are."""
    start = F.normalize(torch.randn(num_ids, feats.size(1), generator=torch.Generator().manual_seed(1)))
    ours, loop = (LookupTable(num_ids, feats.size(1)).to(feats.device) for _ in range(2))
    for one in (ours, loop):
        one.features.copy_(start)
    ours.update(feats, person_ids)
    loop_over_samples(loop, feats, person_ids)
    difference = float((ours.features - loop.features).abs().max())
    return dict(
        update_ms=median_ms(lambda: ours.update(feats, person_ids), rounds, feats.device),
        loop_ms=median_ms(lambda: loop_over_samples(loop, feats, person_ids), rounds, feats.device),
        largest_difference=difference,
    )


def measure(args: argparse.Namespace) -> list[dict]:
    """One row a case."""
    generator = torch.Generator().manual_seed(0)
    feats = F.normalize(torch.randn(args.samples, args.dim, generator=generator)).to(args.device)
    rows = []
    for case, person_ids in draw_person_ids(args.samples, args.ids, generator).items():
        rows.append(dict(case=case, **measure_lut(feats, person_ids.to(args.device), args.ids, args.rounds)))
    queue = CircularQueue(args.queue_size, args.dim).to(args.device)
    rows.append(dict(case="CQ", update_ms=median_ms(lambda: queue.update(feats), args.rounds, feats.device)))
    return rows


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=128, help="samples of all ranks")
    parser.add_argument("--ids", type=int, default=5532, help="identities, rows of the LUT")
    parser.add_argument("--queue-size", type=int, default=5000, help="entries of the CQ")
    parser.add_argument("--dim", type=int, default=256, help="width of the embeddings")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=100, help="the median counts")
    parser.add_argument("--json", help="write the figures to this file too")
    args = parser.parse_args(argv)

    rows = measure(args)
    table = Table(
        title=f"{args.samples} samples, {args.ids} identities, {args.device}, {torch.get_num_threads()} threads"
    )
    for name in ("update of", "ms", "loop over samples, ms", "largest difference"):
        table.add_column(name, justify="left" if name == "update of" else "right")
    for row in rows:
        figures = (f"{row[key]:.3g}" if key in row else "" for key in ("update_ms", "loop_ms", "largest_difference"))
        table.add_row(row["case"], *figures)
    Console().print(table)
    if args.json:
        Path(args.json).write_text(json.dumps(dict(vars(args), rows=rows), indent=2) + "\n")


if __name__ == "__main__":
    main()
