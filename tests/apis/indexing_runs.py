"""Indexings in processes of their own: several ranks, and processes that are killed.

A process that has used gRPC is not to be forked. So this is run as a script, which imports everything once and forks:

    python tests/apis/indexing_runs.py FOLDER
"""

import json
import os
import random
import signal
import sys
import time
import types
from pathlib import Path

import numpy as np
import torch
from distributed import run_in_processes
from mmengine.structures import InstanceData

import mmpersonsearch
from mmpersonsearch.utils.errors import InputError

# The package without its face, which imports all models.
apis = types.ModuleType("mmpersonsearch.apis")
apis.__path__ = [f"{mmpersonsearch.__path__[0]}/apis"]
sys.modules[apis.__name__] = apis

from mmpersonsearch.apis.gallery import Gallery  # noqa: E402
from mmpersonsearch.apis.indexing import CameraAndTime, index_archive  # noqa: E402
from mmpersonsearch.apis.ranks import in_all_ranks, in_rank_0  # noqa: E402

NUMBER = 60  # pictures


class DrawnSearcher:
    """Finds in a picture the persons that its name tells; ``predict`` takes no time."""

    name, fingerprint, width, score_thr, fps = "drawn", "sha256:drawn", 8, 0.5, 1.0
    arguments, show_progress = {}, False

    def predict(self, paths, batch_size):
        for path in paths:
            rng = np.random.default_rng(int(Path(path).stem))
            n = int(rng.integers(0, 6))
            feats = torch.tensor(rng.normal(size=(n, 8)), dtype=torch.float32)
            bboxes = torch.tensor(rng.uniform(0, 50, (n, 4)), dtype=torch.float32)
            found = InstanceData(bboxes=bboxes, scores=torch.ones(n), reid_feats=feats)
            yield type("Sample", (), dict(pred_instances=found))


def index(folder, out, batch_size=4):
    meta = CameraAndTime(None, "%H%M%S")
    return index_archive(DrawnSearcher(), folder / "archive", folder / out, meta, batch_size, None, None, {})


def rows_of(place):
    """All rows but the batches' numbers."""
    with Gallery(place) as gallery:
        names = gallery.client.query(gallery.persons, filter="id >= 0", output_fields=["image", "x1", "vector"])
        persons = sorted((one["image"], round(one["x1"], 3), *np.round(one["vector"], 4).tolist()) for one in names)
        return dict(images=sorted(row["image"] for row in gallery.rows(["image"])), persons=persons)


def write_rows(folder, name):
    (folder / f"{name}.json").write_text(json.dumps(rows_of(folder / name)))


def in_fork(function, *args):
    """Start a function in a forked process, and return its number."""
    if child := os.fork():
        return child
    try:
        function(*args)
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        os._exit(1)
    os._exit(0)


def wait(*children):
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)


def index_and_close(folder, out, batch_size=4):
    index(folder, out, batch_size).close()


def index_in_rank(rank, folder):
    """Index; and again into a gallery that is refused, when rank 0 is to write, and with a disk that fills up."""
    gallery = index(folder, "two")
    assert (gallery is None) == (rank == 1)
    assert in_rank_0(lambda: f"of {rank}") == "of 0"
    assert in_all_ranks(lambda: rank) == (None if rank else [0, 1])  # what is gathered is for rank 0 alone
    if gallery is not None:
        assert (gallery.report.indexed, gallery.report.known) == (NUMBER, 0)
        gallery.close()
    seen = []
    DrawnSearcher.fingerprint = "sha256:other"
    try:
        index(folder, "two")
    except InputError as error:
        seen.append((type(error).__name__, "has embeddings of drawn (sha256:drawn)" in str(error)))
    DrawnSearcher.fingerprint, add, calls = "sha256:drawn", Gallery.add, []

    def failing_add(self, scenes):
        calls.append(scenes)
        if len(calls) == 3:
            raise InputError("the disk is full")
        add(self, scenes)

    Gallery.add = failing_add
    try:
        index(folder, "full")
    except InputError as error:
        seen.append((type(error).__name__, str(error)))
    (folder / f"rank{rank}.json").write_text(json.dumps(seen))


def run_killed(folder):
    """Index, kill it at four random moments, and have it done."""
    rng = random.Random(0)
    for _ in range(4):
        child = in_fork(index_and_close, folder, "killed", 1)
        while not (folder / "killed/milvus.db").exists():
            time.sleep(0.01)
        time.sleep(rng.uniform(0.05, 1.0))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    wait(in_fork(index_and_close, folder, "killed", 1))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "archive").mkdir()
    for i in range(NUMBER):
        (folder / "archive" / f"{i:06d}.png").write_bytes(b"")
    alone = in_fork(index_and_close, folder, "one")
    run_in_processes(2, index_in_rank, folder)
    run_killed(folder)
    wait(alone)
    wait(*(in_fork(write_rows, folder, one) for one in ("one", "two", "killed")))
