"""Plot embeddings of one or several runs (figure 4 of the FDPS paper).

The embeddings of some identities by t-SNE, from predictions of ``mmpersonsearch test --out``:

mmpersonsearch plot embeddings tsne fdps_r50_prw OIM=oim.pkl BOIM=boim.pkl --out figures/embeddings

The similarities of the centers of the training identities, from the LUT of checkpoints:

mmpersonsearch plot embeddings centers OIM=oim/epoch_20.pth BOIM=boim/epoch_20.pth --out figures/centers

Writes the figure as PNG and SVG, and its numbers as JSON.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from mmdet.structures.bbox import bbox_overlaps
from sklearn.manifold import TSNE
from torch import Tensor

from mmpersonsearch.evaluation.predictions import Predictions, read_predictions
from mmpersonsearch.models.memories.lut_checkpoint import find_lut
from mmpersonsearch.structures import SearchProtocol
from mmpersonsearch.utils.checkpoint import load_checkpoint_file
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.visualization import plot_center_similarities, plot_embeddings

from .command_line import (
    add_config,
    add_data_set,
    add_figure,
    add_runs,
    check_figure,
    count,
    exit_on_bad_input,
    make_parser,
    parse_runs,
    positive,
    save_figure,
    seed,
)
from .run_config import build_evaluation, choose_data_set, read_config_of

NUM_BINS = 100


def choose_identities(protocol: SearchProtocol, wanted: Sequence[int] | None, number: int) -> list[int]:
    """Return the wanted identities, by default the ``number`` queried ones with the most true boxes, in order.

    Raises:
        InputError: A wanted identity is not in the test split.
    """
    numbers, counts = np.unique(np.concatenate([scene.person_ids for scene in protocol.images]), return_counts=True)
    boxes = dict(zip(numbers.tolist(), counts.tolist()))
    if missing := [identity for identity in wanted or () if identity < 0 or identity not in boxes]:
        raise InputError(f"--identities: the test split does not show {', '.join(map(str, missing))}")
    asked = sorted({query.person_id for query in protocol.queries})
    return sorted(set(wanted or ()) or sorted(asked, key=lambda identity: -boxes.get(identity, 0))[:number])


def collect_embeddings(
    protocol: SearchProtocol, found: Predictions, identities: Sequence[int], det_thr: float, iou_thr: float
) -> tuple[Tensor, np.ndarray]:
    """Return embeddings (n, D) and identities (n,) of detections of some identities.

    The detection of a true box is the one of highest IoU, with a score >= ``det_thr`` and an IoU >= ``iou_thr``.
    """
    feats, person_ids = [], []
    for scene, detections in zip(protocol.images, found.detections):
        detections = detections[detections.scores >= det_thr]
        wanted = np.isin(scene.person_ids, identities)
        if len(detections) and wanted.any():
            ious = bbox_overlaps(torch.from_numpy(scene.bboxes[wanted]), detections.bboxes.double())
            best, inds = ious.max(dim=1)
            feats.append(detections.reid_feats[inds[best >= iou_thr]])
            person_ids.append(scene.person_ids[wanted][(best >= iou_thr).numpy()])
    if not feats:
        return torch.zeros(0, 1), np.zeros(0, np.int64)
    return torch.cat(feats), np.concatenate(person_ids)


def place(feats: Tensor, seed: int) -> np.ndarray:
    """Compute positions (n, 2) of (n, D) embeddings in the plane by t-SNE, the same for the same seed."""
    perplexity = min(30.0, (len(feats) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(feats.numpy())


def draw_embeddings(args: argparse.Namespace) -> tuple[Figure, dict[str, Any]]:
    """Return the figure of the runs' embeddings, and its numbers.

    Raises:
        FileNotFoundError: A file is missing.
        InputError: Predictions do not fit the test split, or have too few detections of the identities.
    """
    config = read_config_of(args)
    choose_data_set(config, args.data_set)
    metric, _ = build_evaluation(config)
    protocol = metric.search_protocol()
    identities = choose_identities(protocol, args.identities, args.num_identities)
    planes, runs = {}, {}
    for name, path in parse_runs(args.runs).items():
        found = read_predictions(path, protocol, args.allow_different_protocols, det_thr=metric.det_thr)
        feats, person_ids = collect_embeddings(protocol, found, identities, metric.det_thr, metric.iou_thr)
        if len(feats) < 4:
            raise InputError(f"{path}: {len(feats)} detections on identities {identities}, expected 4 or more")
        planes[name] = (place(feats, args.seed), person_ids)
        runs[name] = {"predictions": path, "positions": planes[name][0].tolist(), "identities": person_ids.tolist()}
    figure = plot_embeddings(planes, identities)
    facts = {"config": args.config, "data": dict(protocol.data), "identities": identities, "seed": args.seed}
    return figure, {**facts, "runs": runs}


def measure_centers(path: str) -> dict[str, Any]:
    """Compute the histogram of the similarities of all pairs of centers in a checkpoint's LUT; empty rows are skipped.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It has no LUT, or one with fewer than two centers.
    """
    _, table = find_lut(load_checkpoint_file(path), path)
    centers = table[(table != 0).any(dim=1)].float()
    number = len(centers)
    if number < 2:
        raise InputError(f"{path}: {number} of the LUT's {len(table)} rows are not empty, expected 2 or more")
    similarities = (centers @ centers.t()).clamp_(-1, 1)
    pairs = number * (number - 1)
    mean = float(similarities.fill_diagonal_(0).sum() / pairs)
    # The 2 of the diagonal is outside the bins. torch.histc would count in float32, which ends at 2^24.
    counts, _ = np.histogram(similarities.fill_diagonal_(2).numpy(), NUM_BINS, (-1, 1))
    found = {"checkpoint": path, "num_centers": number, "num_empty": len(table) - number, "mean": mean}
    return {**found, "shares": (counts / pairs).tolist()}


def draw_centers(args: argparse.Namespace) -> tuple[Figure, dict[str, Any]]:
    """Return the figure of the runs' centers, and its numbers; see :func:`measure_centers`."""
    runs = {name: measure_centers(path) for name, path in parse_runs(args.runs, "CHECKPOINT.pth").items()}
    edges = np.linspace(-1, 1, NUM_BINS + 1).tolist()
    return plot_center_similarities(edges, runs), {"edges": edges, "runs": runs}


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("plot embeddings", __doc__)
    commands = parser.add_subparsers(dest="kind", required=True)
    tsne = commands.add_parser("tsne", help="embeddings of some identities by t-SNE")
    add_config(tsne, "config of the test split and the thresholds")
    add_data_set(tsne)
    add_runs(tsne)
    which = tsne.add_mutually_exclusive_group()
    which.add_argument("--identities", type=count, nargs="+", metavar="ID", help="numbers in the data set")
    which.add_argument(
        "--num-identities",
        type=positive,
        default=10,
        help="number of queried identities, those with the most boxes; default: 10",
    )
    tsne.add_argument("--seed", type=seed, default=0, help="seed of t-SNE")
    tsne.set_defaults(draw=draw_embeddings)
    centers = commands.add_parser("centers", help="histogram of the similarities of identities' centers")
    centers.add_argument("runs", nargs="+", metavar="NAME=CHECKPOINT.pth", help="name in the figure, and file")
    centers.set_defaults(draw=draw_centers)
    for command in (tsne, centers):
        add_figure(command)
    args = parser.parse_args(argv)
    with exit_on_bad_input("mmpersonsearch plot embeddings"):
        check_figure(args.out)
        figure, numbers = args.draw(args)
    save_figure(figure, numbers, args.out)
