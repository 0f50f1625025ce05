"""Measure the evaluation of person search on random embeddings in the shapes of PRW and CUHK-SYSU.

For comparison, it measures the product of queries and detections, and a loop over queries and gallery images as in
public code, which gives the same average precisions. Memory is the peak of the process above the memory at the start,
as the kernel reports it (Linux).

    python tools/analysis_tools/benchmark_eval.py --shape prw --dim 256 --loop-queries 100
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from measure import measure, parse_args
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.cli.command_line import count, device, positive, print_table, share, write_json
from mmpersonsearch.evaluation import RankingWithContextPersons, evaluate_searches
from mmpersonsearch.structures import AllImages, ImageList, Listed, Query, SceneImage, SearchProtocol
from mmpersonsearch.testing import slow_search

Case = tuple[SearchProtocol, list[InstanceData], Tensor]


@dataclass
class Shape:
    """Size of a data set.

    Attributes:
        num_images: Test images.
        num_detections: Detections in all test images.
        num_queries: Queries.
        num_ids: Labelled identities.
        gallery_sizes: Images in the gallery of a query; empty: all images but the query's own.
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


def draw_case(shape: Shape, dim: int, fraction: float, device: str) -> Case:
    """Draw a random set with a ``fraction`` of the shape's queries x detections.

    Half of the persons are labelled, and all are detected; an embedding is the direction of the identity plus noise.
    """
    rng = np.random.default_rng(0)
    scale = fraction**0.5
    num_images, num_queries = round(shape.num_images * scale), round(shape.num_queries * scale)
    images = np.sort(rng.integers(num_images, size=round(shape.num_detections * scale)))
    person_ids = np.where(rng.random(len(images)) < 0.5, rng.integers(shape.num_ids, size=len(images)), -1)
    # An identity is at most once in an image.
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
    galleries = AllImages()
    if shape.gallery_sizes:
        sizes = {n: min(round(n * scale), num_images - 1) for n in shape.gallery_sizes}
        galleries = Listed({n: draw_lists(rng, scenes, queries, size) for n, size in sizes.items()})
    detections = [
        InstanceData(
            bboxes=torch.tensor(bboxes[s], device=device),
            scores=torch.tensor(scores[s], device=device),
            reid_feats=torch.from_numpy(feats[s]).to(device),
        )
        for s in of_image
    ]
    return SearchProtocol(scenes, queries, galleries), detections, torch.from_numpy(feats[asked]).to(device)


def draw_lists(rng: np.random.Generator, scenes: list[SceneImage], queries: list[Query], size: int) -> list[ImageList]:
    """Draw for each query a gallery list of images with the person and others."""
    places: dict[int, list[tuple[int, np.ndarray]]] = {}
    for scene in scenes:
        for person_id, bbox in zip(scene.person_ids.tolist(), scene.bboxes):
            places.setdefault(person_id, []).append((scene.img_id, bbox))
    lists = []
    for query in queries:
        held = [place for place in places[query.person_id] if place[0] != query.img_id][:size]
        inds = np.array([image for image, _ in held], dtype=np.int64)
        drawn = rng.choice(len(scenes), min(size + 20, len(scenes)), replace=False)
        others = rng.permutation(np.setdiff1d(drawn, [*inds, query.img_id]))
        lists.append(ImageList(np.concatenate([inds, others])[:size], np.arange(len(held)), [bbox for _, bbox in held]))
    return lists


def run(args: argparse.Namespace, fraction: float) -> tuple[dict, Case, np.ndarray]:
    """Measure one size.

    Returns:
        The measurements, the case, and the average precisions of the main gallery, NaN for skipped queries.
    """
    case = draw_case(SHAPES[args.shape], args.dim, fraction, args.device)
    _, detections, query_feats = case
    feats = torch.cat([found.reid_feats for found in detections])
    blocks = query_feats.split(256)
    _, product, _ = measure(lambda: [block @ feats.T for block in blocks] and None, args.rounds)
    plain, search, search_memory = measure(lambda: evaluate_searches(*case), args.rounds)
    rankings = (None, RankingWithContextPersons())
    _, both, both_memory = measure(lambda: evaluate_searches(*case, rankings=rankings), args.rounds)
    row = dict(
        fraction=fraction,
        queries=len(query_feats),
        detections=len(feats),
        product_s=product,
        search_s=search,
        search_and_rcp_s=both,
        search_gib=search_memory,
        search_and_rcp_gib=both_memory,
    )
    aps = np.full(len(query_feats), np.nan)
    aps[plain[0].query_inds] = plain[0].aps
    return row, case, aps


def compare_with_loop(case: Case, aps: np.ndarray, number: int) -> dict:
    """Measure the loop on some queries, and the largest difference of its average precisions from ours."""
    evaluated = np.flatnonzero(np.isfinite(aps))
    number = min(number, len(evaluated))
    asked = evaluated[np.linspace(0, len(evaluated) - 1, number).round().astype(int)]
    started = time.perf_counter()
    _, _, slow_aps, _ = slow_search(*case, size=case[0].main_gallery, query_inds=asked.tolist())
    seconds = (time.perf_counter() - started) / number
    return dict(
        loop_s_a_query=seconds,
        loop_s_all=seconds * len(aps),
        loop_queries=number,
        largest_difference=float(np.abs(aps[asked] - slow_aps).max()),
    )


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=list(SHAPES), default="prw")
    parser.add_argument("--dim", type=positive, default=256, help="width of the embeddings")
    parser.add_argument("--device", type=device, default="cpu")
    parser.add_argument("--rounds", type=positive, default=3, help="the fastest is reported")
    parser.add_argument("--fractions", type=share, nargs="+", default=[0.25, 0.5, 1.0], help="of queries x detections")
    parser.add_argument("--loop-queries", type=count, default=0, help="number of queries for the loop (0: no loop)")
    args = parse_args(parser, argv)
    warnings.filterwarnings("ignore", message="queries ")

    rows = []
    for fraction in args.fractions:
        row, case, aps = run(args, fraction)
        rows.append(row)
    if args.loop_queries:
        rows[-1].update(compare_with_loop(case, aps, args.loop_queries))
    title = f"{args.shape}, {args.dim}-d, {args.device}, {torch.get_num_threads()} threads"
    lines = [(key, *(row.get(key) for row in rows)) for key in list(rows[-1])[1:]]
    print_table(title, ["", *(f"{row['fraction']:g}" for row in rows)], lines)
    write_json(args.json, dict(vars(args), rows=rows))


if __name__ == "__main__":
    main()
