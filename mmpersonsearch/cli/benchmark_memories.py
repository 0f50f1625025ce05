"""Measure the memories' updates and the losses on them in the shape of CUHK-SYSU: 128 samples, 5,532 identities.

Beside the updates, in the same process, a loop over samples as in published code; both must give the same table. A
loss is measured forward and backward with its update. Memory is what a call holds at most above what was held before,
as the kernel counts it (Linux), on a GPU as PyTorch does.

mmpersonsearch benchmark memories --rounds 200
"""

from __future__ import annotations

import argparse
import ctypes
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from mmpersonsearch.models.losses import (
    BalancedOIMLoss,
    C2HEPLoss,
    HEPLoss,
    OIMLoss,
    OLPLoss,
    center_density,
    select_priority_classes,
)
from mmpersonsearch.models.memories import CircularQueue, LookupTable

from .command_line import make_parser, write_json
from .measure import measure, median_ms, print_measurements


def draw_person_ids(num_samples: int, num_ids: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Identities of a batch: random ones; several RoIs a person, as a detector samples them; one person only."""
    few = torch.randint(num_ids, (-(-num_samples // 8),), generator=generator).repeat_interleave(8)
    return {
        "LUT, random persons": torch.randint(num_ids, (num_samples,), generator=generator),
        "LUT, 8 samples a person": few[torch.randperm(num_samples, generator=generator)],
        "LUT, one person": torch.zeros(num_samples, dtype=torch.int64),
    }


def loop_over_samples(lut: LookupTable, feats: Tensor, person_ids: Tensor) -> None:
    """The update as published code computes it."""
    table, momentum = lut.features, lut.momentum
    for feat, person_id in zip(feats, person_ids.tolist()):
        table[person_id] = momentum * table[person_id] + (1 - momentum) * feat
        table[person_id] /= table[person_id].norm()


def most_mib(function: Callable[[], object], device: torch.device) -> float:
    """Most MiB that a call holds above what was held before."""
    if device.type != "cuda":
        ctypes.CDLL(None).malloc_trim(0)  # what earlier calls have freed is not held
        return 1024 * measure(function, 1)[2]
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    function()
    return (torch.cuda.max_memory_allocated(device) - before) / 2**20


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


def measure_updates(args: argparse.Namespace) -> list[dict]:
    """One row a case."""
    generator = torch.Generator().manual_seed(0)
    feats = F.normalize(torch.randn(args.samples, args.dim, generator=generator)).to(args.device)
    rows = []
    for case, person_ids in draw_person_ids(args.samples, args.ids, generator).items():
        rows.append(dict(case=case, **measure_lut(feats, person_ids.to(args.device), args.ids, args.rounds)))
    queue = CircularQueue(args.queue_size, args.dim).to(args.device)
    rows.append(dict(case="CQ", update_ms=median_ms(lambda: queue.update(feats), args.rounds, feats.device)))
    return rows


def measure_losses(args: argparse.Namespace) -> list[dict]:
    """One row a loss, for w of the BOIM loss alone and for the choice of I-Net's T = 100 classes alone."""
    generator = torch.Generator().manual_seed(0)
    _, person_ids, _ = draw_person_ids(args.samples, args.ids, generator).values()
    person_ids = person_ids.to(args.device)
    with_unlabelled = torch.randint(-1, args.ids, (args.samples,), generator=generator).to(args.device)
    entry_ids = torch.randint(-1, args.ids, (args.dictionary_size,), generator=generator).to(args.device)
    centers, entries, feats = (
        F.normalize(torch.randn(number, args.dim, generator=generator)).to(args.device)
        for number in (args.ids, args.dictionary_size, args.samples)
    )
    sizes = dict(num_ids=args.ids, feat_channels=args.dim, queue_size=args.queue_size)
    oim, boim, plain = OIMLoss(**sizes), BalancedOIMLoss(**sizes), BalancedOIMLoss(**sizes, with_w=False)
    for loss in (oim, boim, plain):
        loss.to(args.device).lut.features.copy_(centers)
    olp = OLPLoss(args.dim, args.dictionary_size).to(args.device)
    olp.dictionary.update(entries, entry_ids)
    hep, c2hep = (loss(args.ids, args.dim).to(args.device) for loss in (HEPLoss, C2HEPLoss))
    c2hep.centers.features.copy_(centers)

    def select_pool() -> Tensor:
        return select_priority_classes(person_ids, args.ids, 100, olp.hardest_negatives(feats, person_ids, 20))

    pool = select_pool()
    feats.requires_grad_()
    steps = {
        "w of BOIM": lambda: center_density(centers),
        "OIM": lambda: oim(feats, with_unlabelled).backward(),
        "BOIM": lambda: boim(feats, with_unlabelled).backward(),
        "BOIM without w": lambda: plain(feats, with_unlabelled).backward(),
        "priority classes": select_pool,
        "OLP": lambda: olp(feats, person_ids).backward(),
        "HEP": lambda: hep(feats, person_ids, pool).backward(),
        "C2HEP": lambda: c2hep(feats, person_ids, pool).backward(),
    }
    return [
        dict(case=case, step_mib=most_mib(step, feats.device), step_ms=median_ms(step, args.rounds, feats.device))
        for case, step in steps.items()
    ]


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("benchmark memories", __doc__)
    parser.add_argument("--samples", type=int, default=128, help="samples of all ranks")
    parser.add_argument("--ids", type=int, default=5532, help="identities, rows of the LUT")
    parser.add_argument("--queue-size", type=int, default=5000, help="entries of the CQ")
    parser.add_argument("--dictionary-size", type=int, default=5120, help="entries of I-Net's feature dictionary")
    parser.add_argument("--dim", type=int, default=256, help="width of the embeddings")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=100, help="the median counts")
    parser.add_argument("--json", help="write the measurements to this file too")
    args = parser.parse_args(argv)

    rows, losses = measure_updates(args), measure_losses(args)
    title = f"{args.samples} samples, {args.ids} identities, {args.device}, {torch.get_num_threads()} threads"
    updates = dict(update_ms="ms", loop_ms="loop over samples, ms", largest_difference="largest difference")
    print_measurements(f"Updates: {title}", updates, rows)
    print_measurements(f"Losses: {title}", dict(step_ms="ms", step_mib="memory, MiB"), losses)
    write_json(args.json, dict(vars(args), rows=rows, losses=losses))
