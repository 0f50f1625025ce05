"""Measures the evaluation of person search on drawn embeddings in the shapes of PRW and CUHK-SYSU.

Beside it, in the same process: the bare product of queries and detections, and a loop over queries and gallery images
as public code has it, whose average precisions must be the same. Memory is what the process holds at most above what
it held before, as the kernel counts it (Linux).

    mmpersonsearch benchmark eval --shape prw --dim 256 --loop-queries 100
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from mmengine.structures import InstanceData
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sklearn.metrics import average_precision_score
from torch import Tensor

from mmpersonsearch.evaluation import RankingWithContextPersons, evaluate_searches
from mmpersonsearch.structures import Query, SceneImage, SearchProtocol
from mmpersonsearch.utils.files import write_whole

from .measure import measure


@dataclass
class Shape:
    """How large a data set is.

    Attributes:
        num_images: Test images.
        num_detections: Detections in all of them.
        num_queries: Queries.
        num_ids: Labelled identities.
        gallery_sizes: Images in each query's own gallery; none: every image but the query's own.
    """

    num_images: int
    num_detections: int
    num_queries: int
    num_ids: int
    gallery_sizes: tuple[int, ...] = ()


SHAPES = {
    "prw": Shape(6112, 45_000, 2057, 450),
    "cuhk": Shape(6978, 40_000, 2900, 2900, (50, 100, 500, 1000, 2000, 4000)),
}


@dataclass
class Case:
    """A protocol with detections and query embeddings."""

    protocol: SearchProtocol
    detections: list[InstanceData]
    query_feats: Tensor


def draw_case(shape: Shape, dim: int, fraction: float, device: str) -> Case:
    """Draw a set whose number of queries times detections is ``fraction`` of the shape's.

    Half of the persons are labelled, and each is detected; embeddings are an identity's direction and noise.
    """
    rng = np.random.default_rng(0)
    scale = fraction**0.5
    num_images, num_queries = round(shape.num_images * scale), round(shape.num_queries * scale)
    images = np.sort(rng.integers(num_images, size=round(shape.num_detections * scale)))
    person_ids = np.where(rng.random(len(images)) < 0.5, rng.integers(shape.num_ids, size=len(images)), -1)
    # An identity is in an image once at most.
    _, first = np.unique(images * (shape.num_ids + 1) + person_ids, return_index=True)
    again = np.setdiff1d(np.arange(len(images)), first)
    person_ids[again] = -1

    corners = rng.uniform(0, 800, (len(images), 2))
    bboxes = np.concatenate([corners, corners + rng.uniform((20, 60), (120, 300), (len(images), 2))], axis=1)
    directions = rng.normal(size=(shape.num_ids, dim)).astype(np.float32)
    feats = rng.normal(size=(len(images), dim)).astype(np.float32)
    feats[person_ids >= 0] += 0.8 * directions[person_ids[person_ids >= 0]]
    feats /= np.linalg.norm(feats, axis=1, keepdims=True)
    scores = rng.uniform(0.5, 1, len(images))

    ends = np.searchsorted(images, np.arange(num_images + 1))
    of_image = [slice(a, b) for a, b in pairwise(ends)]
    scenes = [SceneImage(i, bboxes[s], person_ids[s]) for i, s in enumerate(of_image)]
    asked = rng.choice(np.flatnonzero(person_ids >= 0), num_queries, replace=False)
    queries = [Query(int(images[i]), bboxes[i], int(person_ids[i])) for i in asked]
    galleries = "all"
    if shape.gallery_sizes:
        galleries = {n: draw_galleries(rng, scenes, queries, n, scale) for n in shape.gallery_sizes}
    detections = [
        InstanceData(
            bboxes=torch.tensor(bboxes[s], device=device),
            scores=torch.tensor(scores[s], device=device),
            reid_feats=torch.from_numpy(feats[s]).to(device),
        )
        for s in of_image
    ]
    return Case(SearchProtocol(scenes, queries, galleries), detections, torch.from_numpy(feats[asked]).to(device))


def draw_galleries(
    rng: np.random.Generator, scenes: list[SceneImage], queries: list[Query], size: int, scale: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each query the images that hold the person, and others."""
    places: dict[int, list[tuple[int, np.ndarray]]] = {}
    for scene in scenes:
        for person_id, bbox in zip(scene.person_ids.tolist(), scene.bboxes):
            places.setdefault(person_id, []).append((scene.img_id, bbox))
    size = min(round(size * scale), len(scenes) - 1)
    galleries = []
    for query in queries:
        held = [place for place in places[query.person_id] if place[0] != query.img_id][:size]
        inds = [image for image, _ in held]
        others = np.setdiff1d(
            rng.choice(len(scenes), min(size + 20, len(scenes)), replace=False), [*inds, query.img_id]
        )
        boxes = np.full((size, 4), np.nan)
        boxes[: len(held)] = np.reshape([bbox for _, bbox in held], (-1, 4))
        inds = np.concatenate([np.array(inds, dtype=np.int64), rng.permutation(others)])[:size]
        galleries.append((inds, boxes[: len(inds)]))
    return galleries


def loop_over_images(case: Case, query_ind: int, gallery: int | None) -> float:
    """Average precision of one query as public code computes it: image after image, detection after detection."""
    protocol, query = case.protocol, case.protocol.queries[query_ind]
    feat = case.query_feats[query_ind].cpu().numpy()
    if gallery is None:
        entries = [(i, None) for i, scene in enumerate(protocol.images) if scene.img_id != query.img_id]
    else:
        entries = [(i, None if np.isnan(box).any() else box) for i, box in zip(*protocol.galleries[gallery][query_ind])]
    labels, similarities, num_held, num_found = [], [], 0, 0
    for image_ind, true_box in entries:
        found = case.detections[image_ind]
        if gallery is None:
            inds = np.flatnonzero(protocol.images[image_ind].person_ids == query.person_id)
            true_box = protocol.images[image_ind].bboxes[inds[0]] if len(inds) else None
        num_held += true_box is not None
        if len(found.scores) == 0:
            continue
        sims = found.reid_feats.cpu().numpy() @ feat
        label = np.zeros(len(sims), dtype=int)
        if true_box is not None:
            w, h = true_box[2:] - true_box[:2]
            threshold = min(0.5, w * h / ((w + 10) * (h + 10)))
            order = np.argsort(sims)[::-1]
            sims = sims[order]
            for j, box in enumerate(found.bboxes.cpu().numpy()[order]):
                if iou(box, true_box) >= threshold:
                    label[j] = 1
                    num_found += 1
                    break
        labels += list(label)
        similarities += list(sims)
    return average_precision_score(labels, similarities) * num_found / num_held if num_found else 0.0


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    inter = max(sides[0], 0) * max(sides[1], 0)
    return inter / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - inter)


def run(args: argparse.Namespace, fraction: float) -> tuple[dict, Case, list]:
    """Measure one size."""
    case = draw_case(SHAPES[args.shape], args.dim, fraction, args.device)
    feats = torch.cat([found.reid_feats for found in case.detections])
    inputs = (case.protocol, case.detections, case.query_feats)
    blocks = case.query_feats.split(256)
    _, product, _ = measure(lambda: [block @ feats.T for block in blocks] and None, args.rounds)
    plain, search, search_memory = measure(lambda: evaluate_searches(*inputs), args.rounds)
    rankings = (None, RankingWithContextPersons())
    _, both, both_memory = measure(lambda: evaluate_searches(*inputs, rankings=rankings), args.rounds)
    figures = dict(
        fraction=fraction,
        queries=len(case.query_feats),
        detections=len(feats),
        product_s=product,
        search_s=search,
        search_and_rcp_s=both,
        search_gib=search_memory,
        search_and_rcp_gib=both_memory,
    )
    return figures, case, plain


def compare_with_loop(case: Case, plain: list, number: int) -> dict:
    """Time of the loop, and how far its average precisions are from ours."""
    main_size = case.protocol.main_gallery
    asked = np.linspace(0, len(plain[0].query_inds) - 1, number).round().astype(int)
    started = time.perf_counter()
    aps = [loop_over_images(case, int(plain[0].query_inds[i]), main_size) for i in track(asked, "loop over images")]
    seconds = (time.perf_counter() - started) / number
    return dict(
        loop_s_a_query=seconds,
        loop_s_all=seconds * len(case.query_feats),
        loop_queries=number,
        largest_difference=float(np.abs(plain[0].aps[asked] - aps).max()),
    )


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="mmpersonsearch benchmark eval", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", choices=list(SHAPES), default="prw")
    parser.add_argument("--dim", type=int, default=256, help="width of the embeddings")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=3, help="the fastest counts")
    parser.add_argument("--fractions", type=float, nargs="+", default=[0.25, 0.5, 1.0], help="of queries x detections")
    parser.add_argument("--loop-queries", type=int, default=0, help="queries for the loop over images (0: no loop)")
    parser.add_argument("--json", help="write the figures to this file too")
    args = parser.parse_args(argv)
    warnings.filterwarnings("ignore", message="queries left out")

    rows = []
    for fraction in args.fractions:
        figures, case, plain = run(args, fraction)
        rows.append(figures)
    if args.loop_queries:
        rows[-1].update(compare_with_loop(case, plain, args.loop_queries))
    table = Table(title=f"{args.shape}, {args.dim}-d, {args.device}, {torch.get_num_threads()} threads")
    table.add_column("")
    for row in rows:
        table.add_column(f"{row['fraction']:g}", justify="right")
    for key in list(rows[-1])[1:]:
        table.add_row(key, *(f"{row[key]:.3g}" if key in row else "" for row in rows))
    Console().print(table)
    if args.json:
        write_whole(args.json, (json.dumps(dict(vars(args), rows=rows), indent=2) + "\n").encode())
