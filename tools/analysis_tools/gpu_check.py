"""Check on a GPU that losses, memories and training steps are those of the CPU; gpu_check.sh runs it.

It needs no data: models and batches are random, nothing is sampled at random on the device. It prints one line a check,
and exits with status 1 if a result differs.
"""

from __future__ import annotations

import argparse
import copy
import math
import os
import socket
import sys
from collections.abc import Callable

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import autocast
from random_training import draw_batch
from torch import distributed as dist
from torch import multiprocessing as mp
from torch import nn

from mmpersonsearch.cli.command_line import device, positive
from mmpersonsearch.engine.num_ids import set_num_ids
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.config_files import find_config
from mmpersonsearch.utils.forward_modes import batch_norms

NUM_IDS, WIDTH = 20, 32
MEMORIES = {
    "OIM": dict(type="OIMReIDHead", loss_id=dict(type="OIMLoss", queue_size=15)),
    "OLP and C2HEP": dict(
        type="PairReIDHead",
        loss_pair=dict(type="OLPLoss", dictionary_size=40, feat_channels=WIDTH),
        loss_id=dict(type="C2HEPLoss"),
        pool_size=10,
        num_hardest=5,
    ),
}


def gap(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Largest difference of two tensors, relative to the largest number."""
    ours, theirs = ours.detach().cpu().double(), theirs.detach().cpu().double()
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-6)) if theirs.numel() else 0.0


def check_memories(where: str, kind: str) -> float:
    """Losses, gradients and memories of three batches on the device, beside the CPU's."""
    torch.manual_seed(0)
    init_default_scope("mmpersonsearch")
    head = MODELS.build(dict(MEMORIES[kind], in_channels=WIDTH, num_ids=NUM_IDS, feat_channels=WIDTH))
    heads = [head, copy.deepcopy(head).to(where)]
    gaps = []
    for _ in range(3):
        feats, ids = torch.randn(12, WIDTH), torch.randint(-1, NUM_IDS, (12,))
        found = []
        for one, to in zip(heads, ("cpu", where)):
            own = feats.to(to).requires_grad_()
            loss = sum(one.loss_by_feat(own, ids.to(to), None).values())
            found.append((loss, *torch.autograd.grad(loss, own)))
        gaps += [gap(theirs, ours) for ours, theirs in zip(*found)]
    mine, other = (one.state_dict() for one in heads)
    return max(gaps + [gap(other[key], mine[key]) for key in mine])


def build_detector(name: str) -> nn.Module:
    """A model that trains on all anchors and all RoIs: which were drawn at random would depend on the device."""
    torch.manual_seed(0)
    config = Config.fromfile(find_config(name))
    init_default_scope(config.default_scope)
    set_num_ids(config.model, NUM_IDS)
    config.model.train_cfg.rpn.sampler.num = config.model.train_cfg.rcnn.sampler.num = 10**6
    return MODELS.build(config.model).train()


def loss_of(model: nn.Module, batch: dict) -> tuple[torch.Tensor, dict]:
    """Sum of a model's losses on a batch, and these; the samples are left as they are."""
    data = model.data_preprocessor(copy.deepcopy(batch), training=True)
    return model.parse_losses(model.loss(data["inputs"], data["data_samples"]))


def check_step(where: str, name: str, shape: tuple[int, int]) -> float:
    """Losses and gradients of a training step on the device, beside the CPU's."""
    model, batch = build_detector(name), draw_batch(shape, 2, 5)
    models = [model, copy.deepcopy(model).to(where)]
    losses = []
    for one in models:
        loss, logged = loss_of(one, batch)
        loss.backward()
        losses.append(logged)
    gaps = [gap(losses[1][key], losses[0][key]) for key in losses[0]]
    norms = [torch.stack([p.grad.norm().cpu() for p in one.parameters() if p.grad is not None]) for one in models]
    return max([*gaps, gap(norms[1], norms[0])])


def check_amp(where: str, name: str, shape: tuple[int, int]) -> float:
    """Losses in mixed precision, beside those in float32."""
    model, batch = build_detector(name).to(where), draw_batch(shape, 2, 5)
    state = copy.deepcopy(model.state_dict())
    plain, _ = loss_of(model, batch)
    model.load_state_dict(state)  # memories and norms as before the step
    with torch.autocast(torch.device(where).type) if where == "cpu" else autocast():
        mixed, _ = loss_of(model, batch)
    mixed.backward()
    return gap(mixed, plain) if mixed.isfinite() else math.inf


def check_two_processes(where: str, name: str, shape: tuple[int, int]) -> float:
    """Losses of two processes on one device, an image each, whose mean is one process's of both images.

    Norms keep their statistics, which would be those of other images.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    method = "fork" if where == "cpu" else "spawn"  # the quicker where it is allowed
    found = mp.get_context(method).SimpleQueue()
    mp.start_processes(_run_rank, (port, where, name, shape, found), nprocs=2, start_method=method)
    ranks = [found.get(), found.get()]
    loss, _ = loss_of(_with_fixed_norms(build_detector(name)).to(where), draw_batch(shape, 2, 5))
    return gap(torch.tensor(ranks).mean(), loss)


def _with_fixed_norms(model: nn.Module) -> nn.Module:
    for norm in batch_norms(model):
        norm.eval()
    return model


def _run_rank(rank: int, port: int, where: str, name: str, shape: tuple[int, int], found: mp.SimpleQueue) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE="2")
    dist.init_process_group("gloo")  # NCCL refuses two processes on one GPU
    batch = {key: values[rank : rank + 1] for key, values in draw_batch(shape, 2, 5).items()}
    loss, _ = loss_of(_with_fixed_norms(build_detector(name)).to(where), batch)
    found.put(loss.item())
    dist.barrier()
    dist.destroy_process_group()


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", type=device, default="cuda")
    parser.add_argument("--config", default="tdn_r50ibn_prw_wo-teacher", help="%(default)s")
    parser.add_argument("--shape", type=positive, nargs=2, default=(304, 480), metavar=("HEIGHT", "WIDTH"))
    args = parser.parse_args(argv)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    checks: dict[str, tuple[float, Callable[[], float]]] = {
        **{f"memories of {kind}": (1e-4, lambda kind=kind: check_memories(args.device, kind)) for kind in MEMORIES},
        "training step": (5e-3, lambda: check_step(args.device, args.config, tuple(args.shape))),
        "mixed precision": (0.05, lambda: check_amp(args.device, args.config, tuple(args.shape))),
        "two processes on one device": (5e-3, lambda: check_two_processes(args.device, args.config, tuple(args.shape))),
    }
    failed = False
    for title, (most, check) in checks.items():
        found = check()
        failed |= not found <= most
        print(
            f"{title}: relative difference {found:.1e}, at most {most:g}{'' if found <= most else '  DIFFERS'}",
            flush=True,
        )
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
