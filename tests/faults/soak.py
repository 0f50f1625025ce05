"""Long runs whose memory has to stay flat; prints the resident memory over time and its slope.

python tests/faults/soak.py evaluation --queries 100000 --detections 100000
python tests/faults/soak.py training --model oim --iterations 2000
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

# ruff: noqa: E402

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1]), str(HERE.parents[1] / "tools/analysis_tools")]

import numpy as np
import torch
from measure import memory
from mmengine.hooks import Hook
from mmengine.structures import InstanceData
from tiny_trainings import make_config, make_toy_config, train, write_data

from mmpersonsearch.evaluation import RankingWithContextPersons, evaluate_searches, search
from mmpersonsearch.structures import AllImages, Query, SceneImage, SearchProtocol


class Record:
    """Resident memory in MiB, by the number of steps."""

    def __init__(self):
        self.values = []
        self.start = time.monotonic()

    def add(self):
        self.values.append(1024 * memory("VmRSS"))
        if len(self.values) % 100 == 0:
            print(f"{len(self.values)}: {self.values[-1]:.1f} MiB, {time.monotonic() - self.start:.0f} s", flush=True)

    def report(self, unit):
        """The slope is that of the second half, by least squares: the first fills caches."""
        half = self.values[len(self.values) // 2 :]
        slope = np.polyfit(np.arange(len(half)), half, 1)[0]
        print(
            f"{len(self.values)} {unit}s: {self.values[0]:.1f} MiB after the first, {self.values[-1]:.1f} after the "
            f"last, {max(self.values):.1f} at most; slope of the second half {1024 * slope:.3f} KiB a {unit}"
        )


def draw_case(num_queries, num_detections, dim=16, per_image=8):
    """Each detection shows one of a few thousand persons; queries are the first detections."""
    rng = np.random.default_rng(0)
    num_images = num_detections // per_image
    person_ids = np.concatenate([rng.permutation(num_images) for _ in range(per_image)]) % max(1, num_images // 3)
    person_ids = person_ids.reshape(per_image, num_images).T
    corners = rng.uniform(0, 800, (num_images, per_image, 2))
    bboxes = np.concatenate([corners, corners + np.array([60, 150])], axis=2)
    feats = rng.normal(size=(num_images, per_image, dim)).astype(np.float32)
    images = []
    for i, (boxes, ids) in enumerate(zip(bboxes, person_ids)):
        first = np.unique(ids, return_index=True)[1]
        own = np.full(per_image, -1)
        own[first] = ids[first]
        images.append(SceneImage(i, boxes, own))
    detections = [
        InstanceData(bboxes=torch.from_numpy(b), scores=torch.ones(per_image), reid_feats=torch.from_numpy(f))
        for b, f in zip(bboxes, feats)
    ]
    spots = [(i, k) for i, scene in enumerate(images) for k in np.flatnonzero(scene.person_ids >= 0)][:num_queries]
    queries = [Query(i, bboxes[i, k], int(person_ids[i, k])) for i, k in spots]
    query_feats = torch.from_numpy(np.stack([feats[i, k] for i, k in spots]))
    return SearchProtocol(images, queries, AllImages()), detections, query_feats


def soak_evaluation(args):
    record, original = Record(), search.iterate_chunks

    def recorded(*arguments):
        for chunk in original(*arguments):
            yield chunk
            record.add()

    search.iterate_chunks = recorded
    case = draw_case(args.queries, args.detections)
    rankings = [None, RankingWithContextPersons()] if args.rcp else [None]
    results = evaluate_searches(*case, rankings=rankings)
    print(f"{len(case[0].queries)} queries x {args.detections} detections: mAP {[one.mAP for one in results]}")
    record.report("chunk")


class RecordHook(Hook):
    priority = "LOWEST"

    def __init__(self, record):
        self.record = record

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.record.add()


def soak_training(args):
    record = Record()
    with tempfile.TemporaryDirectory() as folder:
        data = write_data(Path(folder, "data"))
        if args.model == "toy":
            config = make_toy_config(data / "prw", Path(folder, "run"), args.iterations)
        else:
            config = make_config(args.model, data, Path(folder, "run"), args.iterations)
        config.default_hooks.checkpoint.interval = 500
        train(config, RecordHook(record))
    record.report("iteration")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["evaluation", "training"])
    parser.add_argument("--queries", type=int, default=100_000)
    parser.add_argument("--detections", type=int, default=100_000)
    parser.add_argument("--rcp", action="store_true", help="rank by context persons, too")
    parser.add_argument("--model", default="oim", help="toy, or one of tiny_trainings.NAMES")
    parser.add_argument("--iterations", type=int, default=2000)
    args = parser.parse_args()
    soak_evaluation(args) if args.what == "evaluation" else soak_training(args)


if __name__ == "__main__":
    main()
