"""Measure a gallery of drawn persons: insertion, search, search with context persons, recall, memory.

Beside it stand the product of the query with the matrix of all embeddings, by NumPy, and FAISS where it is installed:
what an exact search costs at least. Figures are medians of wall times, and of this process's processor times (cpu),
which other work on the machine changes less; a server takes no part in the latter, nor in the memory, which is the peak
above that at the start and the drawn embeddings.

    python tools/analysis_tools/benchmark_gallery.py --persons 100000
    python tools/analysis_tools/benchmark_gallery.py --persons 1000000 --index-type HNSW --gallery http://localhost:19530
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from measure import memory, parse_args
from mmengine.structures import InstanceData

from mmpersonsearch.apis import Gallery, Query
from mmpersonsearch.apis.gallery_index import INDEXES
from mmpersonsearch.apis.gallery_rows import Scene
from mmpersonsearch.apis.indexing import FLUSH
from mmpersonsearch.cli.command_line import exit_on_bad_input, positive, print_table, write_json

_RANK = 64  # dimensions that most of the variance of embeddings is in


def draw_scenes(rng: np.random.Generator, args: argparse.Namespace) -> Iterator[list[Scene]]:
    """Draw scenes of persons, ``args.batch`` at a time; each identity appears twenty times on average.

    Embeddings are those of identities plus noise, both of ``_RANK`` dimensions, in ``args.dim`` with a little noise.
    """
    basis = rng.normal(size=(_RANK, args.dim)).astype(np.float32) / _RANK**0.5
    identities = rng.normal(size=(max(1, args.persons // 20), _RANK)).astype(np.float32)
    n = args.per_scene
    for start in range(0, args.persons // n, args.batch):
        scenes = []
        for i in range(start, min(start + args.batch, args.persons // n)):
            coordinates = identities[rng.integers(len(identities), size=n)]
            feats = (coordinates + 0.6 * rng.normal(size=(n, _RANK)).astype(np.float32)) @ basis
            feats += 0.1 * rng.normal(size=feats.shape).astype(np.float32)
            feats /= np.linalg.norm(feats, axis=1, keepdims=True)
            corners = rng.uniform(0, 800, (n, 2))
            bboxes = np.hstack([corners, corners + rng.uniform((20, 60), (120, 300), (n, 2))])
            scenes.append(Scene(f"{i:08d}.jpg", 1, 1, bboxes, np.ones(n), feats, camera=f"c{i % 6}", time=float(i)))
        yield scenes


def insert(gallery: Gallery, args: argparse.Namespace) -> tuple[np.ndarray, list[Query], dict[str, float]]:
    """Add the scenes; return all embeddings, queries, and the persons a second of wall and of processor time."""
    feats, queries, spent, unflushed = [], [], np.zeros(2), 0
    for scenes in draw_scenes(np.random.default_rng(0), args):
        spent += seconds_of(lambda scenes=scenes: gallery.add(scenes))
        unflushed += sum(len(scene.scores) for scene in scenes)
        if unflushed > FLUSH and not gallery.client.remote:
            spent += seconds_of(gallery.flush)
            unflushed = 0
        feats += [scene.feats for scene in scenes]
        queries.append(query_of(scenes[0]))
    spent += seconds_of(gallery.flush)
    feats = np.concatenate(feats)
    speeds = dict(zip(("persons_a_second", "persons_a_cpu_second"), (len(feats) / spent).tolist()))
    return feats, queries[:: max(1, len(queries) // args.queries)][: args.queries], speeds


def query_of(scene: Scene) -> Query:
    """Return the first person of a scene as a query."""
    bboxes, feats = torch.from_numpy(scene.bboxes).float(), torch.from_numpy(scene.feats)
    found = InstanceData(bboxes=bboxes, scores=torch.ones(len(feats)), reid_feats=feats)
    return Query(feats[0], [found], scene.bboxes[:1], [scene.image], "drawn")


def seconds_of(function: Callable[[], object]) -> np.ndarray:
    """Return the seconds of a call, of wall and of processor time."""
    started = np.array([time.perf_counter(), time.process_time()])
    function()
    return np.array([time.perf_counter(), time.process_time()]) - started


def median(name: str, function: Callable[[Query], object], queries: list[Query]) -> dict[str, float]:
    """Return the median seconds of a call, after one that is not counted, of wall and of processor time."""
    seconds = [seconds_of(lambda query=query: function(query)) for query in [queries[0], *queries]]
    wall, processor = np.median(seconds[1:], axis=0).tolist()
    return {f"{name}_s": wall, f"{name}_cpu_s": processor}


def measure_bare(feats: np.ndarray, queries: list[Query]) -> dict[str, float]:
    """Measure the matrix product and FAISS's exact index."""

    def product(query: Query) -> np.ndarray:
        similarities = feats @ query.feats.numpy()
        best = np.argpartition(similarities, -20)[-20:]
        return best[np.argsort(similarities[best])]

    row = median("product", product, queries)
    try:
        import faiss
    except ImportError:
        return row
    index = faiss.IndexFlatIP(feats.shape[1])
    index.add(feats)
    return row | median("faiss", lambda query: index.search(query.feats.numpy()[None], 20), queries)


def run(gallery: Gallery, args: argparse.Namespace) -> dict[str, float]:
    """Measure a new gallery."""
    before = memory("VmRSS")
    feats, queries, row = insert(gallery, args)
    started = time.perf_counter()
    gallery.set_index(args.index_type)
    row["index_s"] = time.perf_counter() - started
    row |= median("search", lambda query: gallery.search(query, effort=args.effort), queries)
    row |= median("rcp", lambda query: gallery.search(query, ranking="rcp", effort=args.effort), queries)
    row["peak_gib"] = memory("VmHWM") - before - feats.nbytes / 2**30
    row |= measure_bare(feats, queries)
    row["recall"] = gallery.check_recall(effort=args.effort)
    return row


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persons", type=positive, default=100_000, help="number of persons (100000)")
    parser.add_argument("--per-scene", type=positive, default=7, help="persons of a scene (7)")
    parser.add_argument("--dim", type=positive, default=256, help="width of the embeddings (256)")
    parser.add_argument("--batch", type=positive, default=64, help="scenes that are added at a time (64)")
    parser.add_argument("--queries", type=positive, default=20, help="number of queries (20)")
    parser.add_argument("--index-type", choices=INDEXES, default=INDEXES[0], help="index (%(default)s)")
    parser.add_argument("--effort", type=positive, help="ef of HNSW, nprobe of IVF")
    parser.add_argument("--gallery", help="address of a server, or folder, of a new gallery; default: a folder for now")
    parser.add_argument("--token", default="", help="of the server")
    args = parse_args(parser, argv)
    facts = dict(model="drawn", fingerprint="drawn", width=args.dim)
    with tempfile.TemporaryDirectory() as folder, exit_on_bad_input(parser.prog):
        place = args.gallery or f"{folder}/gallery"
        with Gallery(place, facts, f"drawn_{time.time_ns()}", token=args.token) as gallery:
            row = run(gallery, args)
            for name in (gallery.persons, gallery.images):
                gallery.client.drop_collection(name)
    title = f"{args.persons} persons, {args.dim}-d, {args.index_type}, {torch.get_num_threads()} threads"
    print_table(title, ["", place if args.gallery else "Milvus Lite"], list(row.items()))
    write_json(args.json, dict(vars(args), **row))


if __name__ == "__main__":
    main()
