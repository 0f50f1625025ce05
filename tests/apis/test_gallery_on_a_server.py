"""A gallery on a real Milvus server, which CI starts; skipped where there is none.

The package ``milvus`` of PyPI has the server. It is installed anywhere, and MMPERSONSEARCH_MILVUS_SERVER names its
command ``milvus-server``.
"""

import os
import shutil
import signal
import socket
import subprocess
import time

import numpy as np
import pytest
from gallery_cases import FACTS, draw_scenes, order_of_evaluation, query_of
from launches import free_port

from mmpersonsearch.apis import Gallery
from mmpersonsearch.evaluation import RankingWithContextPersons
from mmpersonsearch.utils.errors import InputError

pytest.importorskip("pymilvus", reason="galleries need pymilvus and milvus-lite (extra gallery)")
COMMAND = os.environ.get("MMPERSONSEARCH_MILVUS_SERVER", "milvus-server")
TOKEN = "root:Milvus"
PORTS = (
    "proxy-port", "proxy-internal-port", "etcd-port", "root-coord-port", "query-coord-port", "query-node-port",
    "index-coord-port", "index-node-port", "data-coord-port", "data-node-port",
)  # fmt: skip


class Server:
    """A server with authorization in a folder, which can be killed and started again."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.place = f"http://127.0.0.1:{self.port}"
        self.ports = [self.port, *(free_port() for _ in PORTS[1:])]

    def start(self):
        options = [word for name, port in zip(PORTS, self.ports) for word in (f"--{name}", port)]
        command = [COMMAND, "--data", str(self.folder), "--authorization-enabled", "true", *options]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        for _ in range(3000):
            try:
                socket.create_connection(("127.0.0.1", int(self.port))).close()
                Gallery(self.place, token=TOKEN, collection="none")
            except FileNotFoundError:
                return  # it answers
            except (OSError, InputError):
                time.sleep(0.1)
        self.kill()
        pytest.fail(f"{COMMAND} did not start within five minutes")

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if shutil.which(COMMAND) is None:
        pytest.skip(f"no {COMMAND}: pip install milvus==2.3.5 anywhere, MMPERSONSEARCH_MILVUS_SERVER names its command")
    server = Server(tmp_path_factory.mktemp("milvus"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def drawn(server):
    scenes = draw_scenes()
    with Gallery(server.place, FACTS, "drawn", TOKEN) as gallery:
        gallery.add(scenes[:20])
        gallery.add(scenes[20:])
        yield gallery, scenes


@pytest.mark.parametrize("ranking", [None, RankingWithContextPersons()])
def test_search_has_the_order_of_the_evaluation(drawn, ranking, monkeypatch):
    gallery, scenes = drawn
    place = next(i for i in range(4, 30) if len(scenes[i].scores) > 1)
    names, ranked, _ = order_of_evaluation(scenes, place, 1, ranking)
    for limit in (16_000, 3):  # the second in parts
        monkeypatch.setattr("mmpersonsearch.apis.gallery_index.LIMIT", limit)
        found = gallery.search(query_of(scenes, place, 1), topk=30, ranking=ranking or "similarity", num_scenes=30)
        found = [hit for hit in found if hit.image != scenes[place].image]
        assert [hit.image for hit in found] == names
        np.testing.assert_allclose([hit.ranked for hit in found], ranked, atol=1e-5)


def test_filters(drawn):
    gallery, scenes = drawn
    query = query_of(scenes, next(i for i in range(30) if len(scenes[i].scores)))
    hits = gallery.search(query, topk=30, cameras=["c0"], after=1005, before=1020.0, ranking="rcp")
    assert {hit.image for hit in hits} == {
        one.image
        for one in scenes
        if one.camera == "c0" and one.time is not None and 1005 <= one.time < 1020 and len(one.scores)
    }


def test_more_rows_than_an_answer_may_have(server):
    """16,570 persons in 10 pictures: more than the 16,384 of an answer."""
    rng = np.random.default_rng(0)
    scenes = draw_scenes(10)
    for scene, n in zip(scenes, [100, *[1830] * 9]):
        scene.feats = rng.normal(size=(n, 8)).astype(np.float32)
        scene.feats /= np.linalg.norm(scene.feats, axis=1, keepdims=True)
        scene.bboxes, scene.scores = np.tile([0.0, 0.0, 9.0, 9.0], (n, 1)), np.ones(n)
    with Gallery(server.place, FACTS, "many", TOKEN) as gallery:
        gallery.add(scenes)
        assert gallery.count() == (10, 16_570)
        hits = gallery.search(query_of(scenes), topk=10, ranking="rcp", num_scenes=10)
        names, _, _ = order_of_evaluation(scenes, 0, 0, RankingWithContextPersons())
        assert [hit.image for hit in hits if hit.image != scenes[0].image] == names
        assert sum(len(part) for part in gallery.vectors()) == 16_570
        for kind in ("HNSW", "IVF_FLAT"):
            gallery.set_index(kind)
            assert gallery.check_recall(20, 10, effort=400) > 0.95
            assert gallery.search(query_of(scenes), topk=5)[0].image == scenes[0].image


def test_another_process_neither_disturbs_a_batch_nor_leaves_one(server, monkeypatch):
    """A batch on a server may be one that is being written; when it is old, it is one of a process that was killed."""
    scenes = draw_scenes(12)
    gallery = Gallery(server.place, FACTS, "killed", TOKEN)
    gallery.add(scenes[:6])
    insert, names = gallery.client.insert, []

    def dying_insert(name, rows):
        names.append(name)
        if len(names) == 3:
            raise KeyboardInterrupt
        return insert(name, rows)

    gallery.client.insert = dying_insert
    with pytest.raises(KeyboardInterrupt):
        gallery.add(scenes[6:])
    number = [sum(len(scene.scores) for scene in part) for part in (scenes[:6], scenes)]
    with Gallery(server.place, FACTS, "killed", TOKEN) as other:
        assert other.count() == (6, number[1])
        other.add(scenes[6:])  # resumed at once
        assert other.count() == (12, number[1])
    monkeypatch.setattr("mmpersonsearch.apis.gallery._GRACE", 0)
    with Gallery(server.place, FACTS, "killed", TOKEN) as other:
        assert other.count() == (12, number[1])
        assert other.remove(["003.jpg"]) == 1
        assert other.count() == (11, number[1] - len(scenes[3].scores))


def test_what_a_server_refuses(server):
    with pytest.raises(InputError, match=rf"{server.place}: the Milvus server refuses the token"):
        Gallery(server.place, FACTS, token="root:wrong")
    with pytest.raises(InputError, match=rf"{server.place}: Milvus: database.* not found"):
        Gallery(server.place, FACTS, token=TOKEN, db_name="nowhere")
    with pytest.raises(FileNotFoundError, match="has no gallery 'nothing'"):
        Gallery(server.place, token=TOKEN, collection="nothing")


def test_a_server_that_goes_away(server):
    """In the midst of an indexing; what was added is there when it is back, once."""
    scenes = draw_scenes(12, seed=1)
    with Gallery(server.place, FACTS, "gone", TOKEN) as gallery:
        gallery.add(scenes[:4])
        insert, calls = gallery.client.insert, []

        def insert_and_kill(name, rows):
            calls.append(name)
            if len(calls) == 5:  # the persons of the second picture
                server.kill()
            return insert(name, rows)

        gallery.client.insert = insert_and_kill
        started, done = time.monotonic(), 4
        with pytest.raises(InputError, match=rf"{server.place}: no Milvus server answers there, or it is gone"):
            for done in range(4, 12):
                gallery.add(scenes[done : done + 1])
        assert done < 8
        assert time.monotonic() - started < 30
        with pytest.raises(InputError, match=rf"{server.place}: no Milvus server answers"):
            gallery.search(query_of(scenes, next(i for i in range(4) if len(scenes[i].scores))))
    with pytest.raises(InputError, match=rf"{server.place}: no Milvus server answers"):
        Gallery(server.place, token=TOKEN)
    server.start()
    with Gallery(server.place, FACTS, "gone", TOKEN) as gallery:
        there = {row["image"] for row in gallery.rows(["image"])}
        assert {scene.image for scene in scenes[:done]} <= there
        gallery.add([scene for scene in scenes if scene.image not in there])
        assert gallery.count() == (12, sum(len(scene.scores) for scene in scenes))
