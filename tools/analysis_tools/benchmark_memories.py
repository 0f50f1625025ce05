"""Measure updates of memories and their losses in the shape of CUHK-SYSU: 128 samples, 5,532 identities.

For comparison, it measures updates by a loop over samples as in published code, which give the same table. A loss is
measured forward and backward, with its update. Memory is the peak of a call above the memory before it, as the kernel
(Linux) or, on a GPU, PyTorch reports it.

python tools/analysis_tools/benchmark_memories.py --rounds 200
"""

from __future__ import annotations

import argparse
import ctypes
from collections.abc import Callable

import torch
import torch.nn.functional as F
from measure import measure, median_ms, parse_args, print_measurements
from torch import Tensor

from mmpersonsearch.cli.command_line import device, positive, write_json
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


def draw_person_ids(num_samples: int, num_ids: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Draw identities of a batch: random ones, several RoIs per person as a detector samples them, or one person."""
    few = torch.randint(num_ids, (-(-num_samples // 8),), generator=generator).repeat_interleave(8)
    return {
        "LUT, random persons": torch.randint(num_ids, (num_samples,), generator=generator),
        "LUT, 8 samples a person": few[torch.randperm(num_samples, generator=generator)],
        "LUT, one person": torch.zeros(num_samples, dtype=torch.int64),
    }


def loop_over_samples(lut: LookupTable, feats: Tensor, person_ids: Tensor) -> None:
    """Update the table as published code does."""
    table, momentum = lut.features, lut.momentum
    for feat, person_id in zip(feats, person_ids.tolist()):
        table[person_id] = momentum * table[person_id] + (1 - momentum) * feat
        table[person_id] /= table[person_id].norm()


def most_mib(function: Callable[[], object], device: torch.device) -> float:
    """Measure the peak memory of a call in MiB above the memory before it."""
    if device.type != "cuda":
        ctypes.CDLL(None).malloc_trim(0)  # returns what earlier calls have freed
        return max(0.0, 1024 * measure(function, 1)[2])  # other threads may return memory meanwhile
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    function()
    return (torch.cuda.max_memory_allocated(device) - before) / 2**20


def measure_lut(feats: Tensor, person_ids: Tensor, num_ids: int, rounds: int) -> dict:
    """Measure update and loop in milliseconds, and the largest difference of their tables after one update."""
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
    """Measure one row per case."""
    generator = torch.Generator().manual_seed(0)
    feats = F.normalize(torch.randn(args.samples, args.dim, generator=generator)).to(args.device)
    rows = []
    for case, person_ids in draw_person_ids(args.samples, args.ids, generator).items():
        rows.append(dict(case=case, **measure_lut(feats, person_ids.to(args.device), args.ids, args.rounds)))
    queue = CircularQueue(args.queue_size, args.dim).to(args.device)
    rows.append(dict(case="CQ", update_ms=median_ms(lambda: queue.update(feats), args.rounds, feats.device)))
    return rows


def measure_losses(args: argparse.Namespace) -> list[dict]:
    """Measure one row per loss, and w of the BOIM loss and the choice of I-Net's T = 100 classes alone."""
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=positive, default=128, help="samples of all ranks")
    parser.add_argument("--ids", type=positive, default=5532, help="identities, rows of the LUT")
    parser.add_argument("--queue-size", type=positive, default=5000, help="entries of the CQ")
    parser.add_argument("--dictionary-size", type=positive, default=5120, help="entries of I-Net's feature dictionary")
    parser.add_argument("--dim", type=positive, default=256, help="width of the embeddings")
    parser.add_argument("--device", type=device, default="cpu")
    parser.add_argument("--rounds", type=positive, default=100, help="the median is reported")
    args = parse_args(parser, argv)

    rows, losses = measure_updates(args), measure_losses(args)
    title = f"{args.samples} samples, {args.ids} identities, {args.device}, {torch.get_num_threads()} threads"
    updates = dict(update_ms="ms", loop_ms="loop over samples, ms", largest_difference="largest difference")
    print_measurements(f"Updates: {title}", updates, rows)
    print_measurements(f"Losses: {title}", dict(step_ms="ms", step_mib="memory, MiB"), losses)
    write_json(args.json, dict(vars(args), rows=rows, losses=losses))


if __name__ == "__main__":
    main()
