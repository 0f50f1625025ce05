import errno
import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from gallery_cases import FACTS, draw_scenes, order_of_evaluation, query_of
from launches import free_port
from painted_persons import make_searcher, paint, write_video
from PIL import Image, ImageDraw

from mmpersonsearch.apis import Gallery
from mmpersonsearch.apis.indexing import CameraAndTime
from mmpersonsearch.evaluation import RankingWithContextPersons
from mmpersonsearch.utils.errors import InputError

pytest.importorskip("pymilvus", reason="galleries need pymilvus and milvus-lite (extra gallery)")
pytest.importorskip("milvus_lite", reason="galleries need pymilvus and milvus-lite (extra gallery)")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    scenes = draw_scenes()
    with Gallery(tmp_path_factory.mktemp("drawn") / "g", FACTS) as gallery:
        gallery.add(scenes[:20])
        gallery.add(scenes[20:])
        gallery.flush()
        yield gallery, scenes


@pytest.mark.parametrize("ranking", [None, RankingWithContextPersons(), RankingWithContextPersons(0.1, 0.7)])
@pytest.mark.parametrize("place", [0, 4])
def test_search_has_the_order_of_the_evaluation(drawn, ranking, place):
    gallery, scenes = drawn
    place = next(i for i in range(place, 30) if len(scenes[i].scores) > 1)
    names, ranked, bboxes = order_of_evaluation(scenes, place, 1, ranking)
    found = gallery.search(query_of(scenes, place, 1), topk=30, ranking=ranking or "similarity", num_scenes=30)
    found = [hit for hit in found if hit.image != scenes[place].image]
    assert [hit.image for hit in found] == names
    np.testing.assert_allclose([hit.ranked for hit in found], ranked, atol=1e-5)
    np.testing.assert_allclose([hit.bbox for hit in found], bboxes, atol=0.01)
    vectors = {scene.image: scene.feats @ scenes[place].feats[1] for scene in scenes}
    np.testing.assert_allclose([hit.similarity for hit in found], [vectors[name].max() for name in names], atol=1e-5)


def test_rows_are_read_in_parts(drawn, monkeypatch):
    gallery, scenes = drawn
    monkeypatch.setattr("mmpersonsearch.apis.gallery_rows._PAGE", 4)
    assert sorted(row["image"] for row in gallery.rows(["image"])) == [scene.image for scene in scenes]
    timed = gallery.rows(["image"], "time >= 1010")
    assert sorted(row["image"] for row in timed) == [s.image for s in scenes if s.time is not None and s.time >= 1010]


@pytest.mark.parametrize("ranking", ["similarity", "rcp"])
def test_a_search_in_parts_is_the_same(drawn, monkeypatch, ranking):
    """As many rows at a time as a server gives."""
    gallery, scenes = drawn
    query = query_of(scenes, next(i for i in range(30) if len(scenes[i].scores)))
    whole = gallery.search(query, topk=30, ranking=ranking, cameras=["c0", "c1"])
    monkeypatch.setattr("mmpersonsearch.apis.gallery_index.LIMIT", 3)
    monkeypatch.setattr("mmpersonsearch.apis.gallery_rows._PAGE", 4)
    assert list(gallery.search(query, topk=30, ranking=ranking, cameras=["c0", "c1"])) == list(whole)
    assert [hit.image for hit in whole[:5]] == [hit.image for hit in gallery.search(query, 5, ranking, ["c0", "c1"])]


def test_approximate_indexes(tmp_path, capsys, monkeypatch):
    scenes = draw_scenes()
    with Gallery(tmp_path / "g", FACTS) as gallery:
        gallery.add(scenes)
        query = query_of(scenes, next(i for i in range(30) if len(scenes[i].scores)))
        exact = [hit.image for hit in gallery.search(query)]
        for kind, effort in (("HNSW", "{'ef': 200}"), ("IVF_FLAT", "{'nprobe': 8}")):
            gallery.set_index(kind)
            recall = gallery.check_recall(number=10, topk=5)
            assert f"recall@5 {recall:.4f} by {kind} {effort}, 10 queries" in capsys.readouterr().out
            assert (recall == 1 or kind == "IVF_FLAT") and gallery.check_recall(10, 5, effort=100) == 1
            assert [hit.image for hit in gallery.search(query, effort=100)] == exact
        search = gallery.client.search

        def find_half(name, **options):
            return [found[: len(found) // 2] for found in search(name, **options)]

        gallery.client.search = find_half
        assert gallery.check_recall(number=10, topk=4, effort=100) == 0.5
        gallery.client.search = search
        with pytest.raises(InputError, match="index 'DISKANN': expected one of FLAT, HNSW, IVF_FLAT"):
            gallery.set_index("DISKANN")
        create = gallery.client.create_index

        def no_hnsw(name, index):
            if "HNSW" in str(next(iter(index)).to_dict()):
                raise InputError("there is no such index")
            create(name, index)

        gallery.client.create_index = no_hnsw
        with pytest.raises(
            InputError, match=r"index HNSW is not to be had in Milvus .*, FLAT is used: there is no such"
        ):
            gallery.set_index("HNSW")
        assert [hit.image for hit in gallery.search(query)] == exact
    with Gallery(tmp_path / "g") as gallery:
        assert gallery.index["index_type"] == "FLAT"


def test_a_server_that_is_not_there_is_named():
    place = f"http://127.0.0.1:{free_port()}"
    started = time.monotonic()
    with pytest.raises(InputError, match=rf"^{place}: no Milvus server answers there, or it is gone$"):
        Gallery(place, FACTS)
    assert time.monotonic() - started < 20
    with pytest.raises(InputError, match=r"^http://127\.0\.0\.1:port: "):
        Gallery("http://127.0.0.1:port")


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    from pymilvus.exceptions import MilvusException

    def insert(name, rows):
        raise MilvusException(1, "[Errno 28] Error writing bytes to file. Detail: No space left on device")

    scenes = draw_scenes(10)
    with Gallery(tmp_path / "g", FACTS) as gallery:
        gallery.add(scenes[:2])
        monkeypatch.setattr(gallery.client._client, "insert", insert)
        with pytest.raises(
            InputError, match=rf"{tmp_path / 'g'}: the disk is full, [\d.]+ MiB are free; what was added"
        ):
            gallery.add(scenes[2:])
        monkeypatch.undo()
        # Milvus Lite would forget the rows of a flush that fails.
        with monkeypatch.context() as patch:
            patch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=2**20))
            with pytest.raises(InputError, match=r"the disk is full, 1\.0 MiB are free; what was added before is kept"):
                gallery.flush()
        gallery.flush()
        assert gallery.count() == (2, sum(len(scene.scores) for scene in scenes[:2]))

    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(InputError, match=r"holder\.json cannot be written: No space left on device"):
        Gallery(tmp_path / "g")


def test_filters(drawn):
    gallery, scenes = drawn
    place = next(i for i in range(30) if len(scenes[i].scores))
    query, shown = query_of(scenes, place), [scene for scene in scenes if len(scene.scores)]

    def names(**options):
        return {hit.image for hit in gallery.search(query, topk=30, **options)}

    assert names() == {scene.image for scene in shown}
    assert names(cameras=["c1", "c2"]) == {scene.image for scene in shown if scene.camera in ("c1", "c2")}
    timed = [scene for scene in shown if scene.time is not None]
    assert names(after=1010.0) == {scene.image for scene in timed if scene.time >= 1010}
    assert names(before="1970-01-01 00:16:50") == {scene.image for scene in timed if scene.time < 1010}
    assert names(cameras=["c0"], after=1005, ranking="rcp") == {
        scene.image for scene in timed if scene.camera == "c0" and scene.time >= 1005
    }
    hits = gallery.search(query, min_similarity=0.5)
    assert hits and min(hit.similarity for hit in hits) >= 0.5
    assert len(gallery.search(query, topk=3)) == 3
    assert gallery.search(query, cameras=["nobody's"]) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(topk=0), "topk 0"),
        (dict(ranking="best"), "ranking 'best': expected one of similarity, rcp"),
        (dict(after="yesterday"), "time 'yesterday': expected seconds or a date"),
    ],
)
def test_bad_arguments(drawn, options, message):
    gallery, scenes = drawn
    place = next(i for i in range(30) if len(scenes[i].scores))
    with pytest.raises(InputError, match=message):
        gallery.search(query_of(scenes, place), **options)


def test_hits_as_table_and_json(drawn, tmp_path):
    gallery, scenes = drawn
    place = next(i for i in range(30) if len(scenes[i].scores))
    hits = gallery.search(query_of(scenes, place), topk=4)
    table = hits.to_pandas()
    assert list(table.image) == [hit.image for hit in hits] and table.similarity.is_monotonic_decreasing
    hits.to_json(tmp_path / "hits.json")
    text = (tmp_path / "hits.json").read_text()
    written = json.loads(text)
    assert written["root"] == "/archive" and len(written["hits"]) == 4
    assert written["hits"][0]["bbox"] == list(hits[0].bbox)
    assert len(hits.__class__([], hits.query, "").to_pandas().columns) == 7


def test_another_models_embeddings_are_refused(drawn):
    gallery, scenes = drawn
    query = query_of(scenes, next(i for i in range(30) if len(scenes[i].scores)))
    query.fingerprint = "sha256:other"
    with pytest.raises(InputError, match=r"has embeddings of drawn \(sha256:drawn\), which those of the query"):
        gallery.search(query)


def test_one_process_holds_a_gallery_and_its_error_names_it(drawn):
    gallery, _ = drawn
    with pytest.raises(InputError, match=rf"is held by process {os.getpid()} on .*; one process at a time"):
        Gallery(gallery.place)


def test_a_gallery_that_was_refused_is_not_held(tmp_path):
    Gallery(tmp_path / "g", FACTS).close()
    with pytest.raises(InputError, match="has embeddings of") as refused:
        Gallery(tmp_path / "g", {**FACTS, "fingerprint": "sha256:other"})
    assert refused.value is not None  # whose traceback keeps the gallery that was not opened
    Gallery(tmp_path / "g").close()


def test_pictures_are_replaced_and_removed(tmp_path):
    scenes = draw_scenes(12)
    with Gallery(tmp_path / "g", FACTS) as gallery:
        gallery.add(scenes)
        gallery.add(scenes[:5])  # again: replaced
        gallery.flush()
        number = sum(len(scene.scores) for scene in scenes)
        assert gallery.count() == (12, number)
        assert gallery.remove(["003.jpg", "no.jpg"]) == 1
        number -= len(scenes[3].scores)
        assert gallery.count() == (11, number)
        assert gallery.remove(before=1002.0) == 2
        assert gallery.count() == (9, number - len(scenes[0].scores) - len(scenes[1].scores))
    with pytest.raises(InputError, match=r"embeddings of drawn \(sha256:drawn\), which those of another"):
        Gallery(tmp_path / "g", {**FACTS, "fingerprint": "sha256:x", "model": "another"})
    with pytest.raises(FileNotFoundError, match=r"gallery .*nothing does not exist"):
        Gallery(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("step", ["persons", "images", "mark"])
def test_a_killed_batch_is_undone(tmp_path, step):
    """A process that dies before the persons or before the pictures; of a whole batch only the mark is removed."""
    scenes = draw_scenes(12)
    gallery = Gallery(tmp_path / "g", FACTS)
    gallery.add(scenes[:6])
    insert, delete, calls = gallery.client.insert, gallery.client.delete, []

    def dying_insert(name, rows):
        calls.append(name)
        if (step, len(calls)) in (("persons", 2), ("images", 3)):
            raise KeyboardInterrupt
        return insert(name, rows)

    def dying_delete(name, **what):
        if step == "mark" and len(calls) == 3:
            raise KeyboardInterrupt
        return delete(name, **what)

    gallery.client.insert, gallery.client.delete = dying_insert, dying_delete
    with pytest.raises(KeyboardInterrupt):
        gallery.add(scenes[6:])
    gallery.close()
    kept = 12 if step == "mark" else 6
    with Gallery(tmp_path / "g") as gallery:
        assert gallery.count() == (kept, sum(len(scene.scores) for scene in scenes[:kept]))
        assert gallery.client.query(gallery.images, filter="persons < 0", output_fields=["id"]) == []
        gallery.add(scenes[6:])
        gallery.flush()
        assert gallery.count() == (12, sum(len(scene.scores) for scene in scenes))


@pytest.fixture
def archive(tmp_path):
    root = tmp_path / "archive"
    paint(root / "c1/1.png", red=(10, 10, 20, 40), blue=(40, 5, 52, 35))
    paint(root / "c1/2.png", green=(10, 10, 20, 40))
    paint(root / "c2/1.png", (80, 48), blue=(30, 5, 42, 35))
    paint(root / "c2/2.png")
    (root / "c2/broken.png").write_bytes(b"no picture")
    return root


def test_an_archive_is_indexed_once(monkeypatch, tmp_path, archive):
    searcher = make_searcher(monkeypatch, tmp_path / "weights")
    seen = []
    predict = searcher.predict
    monkeypatch.setattr(searcher, "predict", lambda items, size=1: (seen.extend(items), predict(items, size))[1])
    with searcher.index(archive, tmp_path / "g", camera="folder", batch_size=2) as gallery:
        report = gallery.report
        assert (report.indexed, report.persons, report.known) == (4, 4, 0)
        assert list(report.skipped) == [str(archive / "c2/broken.png")]
        assert "cannot be decoded" in report.skipped[str(archive / "c2/broken.png")]
        hits = gallery.search(searcher.embed(str(archive / "c2/1.png")))
        assert [(hit.image, hit.camera) for hit in hits[:2]] == [("c2/1.png", "c2"), ("c1/1.png", "c1")]
        assert hits[1].similarity > 0.99 > 0.5 > hits[2].similarity
        assert gallery.facts["root"] == str(archive) and gallery.facts["model"] == "two-step_exported"
    os.utime(archive / "c1/2.png", ns=(1, 1))
    paint(archive / "c3/3.png", pink=(10, 10, 20, 40))
    seen.clear()
    with searcher.index(archive, tmp_path / "g", camera="folder") as gallery:
        assert (gallery.report.indexed, gallery.report.known) == (2, 3)
        assert [os.path.relpath(path, archive) for path in seen] == ["c1/2.png", "c2/broken.png", "c3/3.png"]
        assert gallery.count() == (5, 5)
    (tmp_path / "weights/reid.onnx").write_text("another network")
    with pytest.raises(InputError, match="has embeddings of two-step_exported"):
        make_searcher(monkeypatch, tmp_path / "weights").index(archive, tmp_path / "g")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="expected pictures or videos in files, found none"):
        searcher.index(tmp_path / "empty", tmp_path / "g")


def test_a_picture_that_vanishes_is_told(monkeypatch, tmp_path, archive):
    gone, states = archive / "c1/2.png", Gallery.states
    monkeypatch.setattr(Gallery, "states", lambda self, names: (gone.unlink(), states(self, names))[1])
    with make_searcher(monkeypatch, tmp_path / "weights").index(archive, tmp_path / "g") as gallery:
        assert (gallery.report.indexed, gallery.report.known) == (3, 0)
        assert str(gone) in gallery.report.skipped


def test_names_beyond_latin_1(monkeypatch, tmp_path):
    root, mine, quotes = tmp_path / "archive", "摄像头/Žofie_摄像头.png", "c2/ж'\"\\.png"
    for name in (mine, quotes):
        paint(root / name, blue=(40, 5, 52, 35))
    wrong = os.fsencode(root / "c2/a.png").replace(b"a.png", b"\xff.png")
    os.link(root / mine, wrong)
    searcher = make_searcher(monkeypatch, tmp_path / "weights")
    with searcher.index(root, tmp_path / "g", camera="folder") as gallery:
        assert gallery.report.skipped == {os.fsdecode(wrong): f"{os.fsdecode(wrong)}: the name is not UTF-8"}
        query = searcher.embed(str(root / mine))
        assert {hit.image for hit in gallery.search(query)} == {mine, quotes}
        hits = gallery.search(query, cameras=["摄像头"])
        assert [hit.camera for hit in hits] == ["摄像头"]
        assert gallery.remove([quotes]) == 1
    drawn = []
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda self, place, text, **kwargs: drawn.append((text, kwargs)))
    hits.draw(tmp_path / "hits.png")
    assert mine in [text for text, _ in drawn]
    assert {kwargs["font"].getname() for _, kwargs in drawn} == {("DejaVu Sans", "Book")}
    hits.to_html(tmp_path / "hits.html")
    hits.to_json(tmp_path / "hits.json")
    assert mine in (tmp_path / "hits.html").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "hits.json").read_text())["hits"][0]["image"] == mine


def test_videos_are_indexed_as_far_as_they_go(monkeypatch, tmp_path):
    root = tmp_path / "archive"
    root.mkdir()
    content = Path(write_video(root / "20260101_080000.avi", 40)).read_bytes()
    (root / "20260101_090000.avi").write_bytes(content[: len(content) * 3 // 4])
    (root / "20260101_100000.avi").write_bytes(b"no video")
    searcher = make_searcher(monkeypatch, tmp_path / "weights", fps=0.5)
    with searcher.index(root, tmp_path / "g", time_format="%Y%m%d_%H%M%S") as gallery:
        times = {row["image"]: row["time"] for row in gallery.rows(["image", "time"])}
        skipped = gallery.report.skipped
    first = 1767254400.0
    assert times == {
        **{f"20260101_080000.avi#t={second:.3f}": first + second for second in (0, 2, 4, 6, 8)},
        **{f"20260101_090000.avi#t={second:.3f}": first + 3600 + second for second in (0, 2, 4)},
    }
    cut, none = f"{root}/20260101_090000.avi", f"{root}/20260101_100000.avi"
    assert skipped.keys() == {cut, none} and skipped[none] == f"{none} cannot be read as a video"
    assert skipped[cut] == f"{cut} ends after 5.000 seconds, its header tells 10.000"


def test_camera_and_time(tmp_path):
    meta = CameraAndTime("folder", "cam-%Y%m%d_%H%M%S")
    assert meta.camera("north/gate/x.jpg") == "gate" and meta.camera("x.jpg") == ""
    assert meta.time("a/cam-20260102_030405.jpg") == 1767323045.0
    assert meta.time("a/cam-20260102_030405.avi#t=2.500") == 1767323047.5
    with pytest.raises(InputError, match=r"x\.jpg: the name has not the time format"):
        meta.time("x.jpg")
    meta = CameraAndTime(r"c(\d+)s")
    assert [meta.camera(name) for name in ("c12s3_1.jpg", "day/c4s1.jpg", "other.jpg")] == ["12", "4", ""]
    assert CameraAndTime("c.s").camera("c1s2") == "c1s"
    assert meta.time("walk.avi#t=2.500") == 2.5
    with pytest.raises(InputError, match="is neither 'folder' nor a regular expression"):
        CameraAndTime("(")
    exif = Image.Exif()
    exif[0x0132] = "2026:01:02 03:04:05"
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
    Image.new("RGB", (8, 8)).save(tmp_path / "b.jpg")
    assert CameraAndTime().time(str(tmp_path / "a.jpg")) == 1767323045.0
    assert CameraAndTime().time(str(tmp_path / "b.jpg")) is None and CameraAndTime().camera("a/b.jpg") == ""
