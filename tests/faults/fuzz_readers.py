"""Feed the readers mutated files: whatever they raise but an error of input is a fault, whose file is kept.

python tests/faults/fuzz_readers.py mat coco predictions galleries queries checkpoint --minutes 1
python tests/faults/fuzz_readers.py mat --minutes 10 --atheris

By atheris, which has to be installed, the mutations follow the code that they reach.
"""

import argparse
import json
import pickle
import random
import resource
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

# ruff: noqa: E402

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1])]

import torch
from dataset_writers import write_cuhk, write_prw
from tiny_trainings import size_of_process

from mmpersonsearch.cli.plot_training import read_log
from mmpersonsearch.datasets import CocoPersonSearchDataset, CUHKSYSUDataset, PRWDataset
from mmpersonsearch.datasets.readers.posetrack21_json import read_posetrack21_queries
from mmpersonsearch.evaluation.predictions import read_pair_predictions, read_predictions
from mmpersonsearch.evaluation.provenance import read_result
from mmpersonsearch.utils.checkpoint import load_checkpoint_file
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.scene_files import open_scene

EXPECTED = (InputError, FileNotFoundError)
WORDS = [b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"1e999", b"NaN", b"[" * 2000, b"-1", b"null", b'"', b"{", b"../"]


def make_targets(root):
    """By name the files to begin with, and what reads a file of this place."""
    prw, cuhk = write_prw(root / "prw"), write_cuhk(root / "cuhk")
    fixtures = HERE.parent / "fixtures/version_0_1"
    protocol = PRWDataset(str(fixtures / "prw"), split="test").metainfo["search_protocol"]
    coco = root / "coco.json"
    images = [dict(id=1, file_name="a.jpg", width=9, height=9, camera_id=1, ignore_regions_x=[], ignore_regions_y=[])]
    boxes = [dict(id=1, image_id=1, bbox=[1, 2, 3, 4], person_id=1, category_id=1, iscrowd=0)]
    categories = [dict(id=1, name="person")]
    coco.write_text(json.dumps(dict(images=images, annotations=boxes, categories=categories)))
    box_file, annotation = prw / "annotations/c1s1_000001.jpg.mat", cuhk / "annotation"
    weights, pairs = root / "weights.pth", root / "pairs.pkl"
    torch.save(dict(state_dict=dict(a=torch.ones(2)), meta=dict(iter=1)), weights)
    zeros = dict.fromkeys(("image_inds", "counts", "bboxes", "scores", "similarities"), torch.zeros(0).numpy())
    names = [scene.img_id for scene in protocol.images]
    pairs.write_bytes(pickle.dumps(dict(provenance={}, img_ids=names, queries=[zeros] * len(protocol.queries))))
    log = root / "scalars.json"
    log.write_text('{"loss": 1.5, "iter": 1, "step": 1}\n{"val": 1, "step": 2}\n')
    return {
        "mat": (box_file, lambda path: PRWDataset(str(prw))),
        "frames": (prw / "frame_train.mat", lambda path: PRWDataset(str(prw))),
        "queries": (prw / "query_info.txt", lambda path: PRWDataset(str(prw), split="test")),
        "cuhk": (annotation / "Images.mat", lambda path: CUHKSYSUDataset(str(cuhk))),
        "persons": (annotation / "test/train_test/Train.mat", lambda path: CUHKSYSUDataset(str(cuhk))),
        "galleries": (
            next(annotation.glob("test/train_test/TestG*.mat")),
            lambda path: CUHKSYSUDataset(
                str(cuhk), split="test", gallery_sizes=(int(path.stem.removeprefix("TestG")),)
            ),
        ),
        "coco": (coco, lambda path: CocoPersonSearchDataset(ann_file=str(path))),
        "posetrack": (coco, read_posetrack21_queries),
        "predictions": (fixtures / "prw/predictions.pkl", lambda path: read_predictions(path, protocol)),
        "pairs": (pairs, lambda path: read_pair_predictions(path, protocol)),
        "result": (fixtures / "prw/result.json", read_result),
        "log": (log, read_log),
        "checkpoint": (weights, lambda path: load_checkpoint_file(str(path))),
        "image": (prw / "frames/c1s1_000001.jpg", open_scene),
    }


def mutate(content, rng):
    """Change a few places of a file."""
    content = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
        place = rng.randrange(len(content) + 1)
        kind = rng.randrange(6)
        if kind == 0 and place < len(content):
            content[place] ^= 1 << rng.randrange(8)
        elif kind == 1 and place < len(content):
            content[place] = rng.randrange(256)
        elif kind == 2:
            content[place:place] = rng.choice(WORDS)
        elif kind == 3:
            word = rng.choice(WORDS)
            content[place : place + len(word)] = word
        elif kind == 4:
            del content[place : place + rng.randint(1, 16)]
        else:
            other = rng.randrange(len(content) + 1)
            content[place:place] = content[other : other + rng.randint(1, 64)]
    return bytes(content)


class Target:
    """A reader, which gets each content in the place of its file."""

    def __init__(self, name, path, read, root, keep):
        self.name, self.read, self.keep = name, read, keep
        self.content = path.read_bytes()
        self.path = path if root in path.parents else root / path.name
        self.found, self.number = {}, 0

    def __call__(self, content):
        self.number += 1
        self.path.write_bytes(content)
        try:
            self.read(self.path)
        except EXPECTED as error:
            assert len(str(error)) < 10**6
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = (type(error).__name__, last.filename, last.lineno)
            if where not in self.found:
                self.found[where] = self.keep / f"{self.name}-{len(self.found)}"
                self.found[where].write_bytes(content)
                print(f"{self.name}: {self.found[where]}: {error!r:.200}\n  {last.filename}:{last.lineno}", flush=True)
        finally:
            self.path.write_bytes(self.content)


def run(target, minutes, seed):
    rng, pool, end = random.Random(seed), [target.content], time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        content = mutate(rng.choice(pool), rng)
        target(content)
        if len(pool) < 200 and rng.random() < 0.02:
            pool.append(content)


def run_by_atheris(target, minutes):
    import atheris

    def test(data):
        target(data)

    corpus = tempfile.mkdtemp()
    Path(corpus, "first").write_bytes(target.content)
    atheris.instrument_func(test)
    atheris.Setup([sys.argv[0], corpus, f"-max_total_time={round(60 * minutes)}", "-rss_limit_mb=8192"], test)
    atheris.Fuzz()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", help="default: all")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--keep", type=Path, default=Path(tempfile.gettempdir(), "faults"), help="folder of what is found"
    )
    parser.add_argument("--atheris", action="store_true")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    args.keep.mkdir(parents=True, exist_ok=True)
    limit = size_of_process() + (2 << 30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        targets = make_targets(root)
        for name in args.targets or targets:
            target = Target(name, *targets[name], root, args.keep)
            if args.atheris:
                run_by_atheris(target, args.minutes)
            run(target, args.minutes, args.seed)
            print(f"{name}: {target.number} files, {len(target.found)} faults", flush=True)


if __name__ == "__main__":
    main()
