"""The commands index, search and gallery on painted pictures."""

import json

import pytest
import torch
from painted_persons import COLORS, PaintedNetwork, paint
from PIL import Image

from mmpersonsearch.apis import Gallery
from mmpersonsearch.apis.calibration import Calibration
from mmpersonsearch.cli import gallery_check, gallery_info, gallery_remove, index, search

pytest.importorskip("pymilvus", reason="galleries need pymilvus and milvus-lite (extra gallery)")
pytest.importorskip("milvus_lite", reason="galleries need pymilvus and milvus-lite (extra gallery)")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with an archive of three pictures, a query and two networks."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr("mmpersonsearch.models.exported_networks._open_session", PaintedNetwork)
    for part in ("detector", "reid"):
        (tmp_path / f"{part}.onnx").write_text(part)
    paint(tmp_path / "archive/c1/20260101_080000.png", red=(10, 10, 20, 40), blue=(40, 5, 52, 35))
    paint(tmp_path / "archive/c2/20260101_090000.png", blue=(30, 5, 42, 35))
    paint(tmp_path / "archive/c2/20260101_100000.png", green=(30, 5, 42, 35))
    paint(tmp_path / "me.png", red=(50, 10, 60, 40), blue=(5, 5, 17, 35))
    return tmp_path


def run_index(place, *arguments):
    parts = [f"--{part}-weights={place / part}.onnx" for part in ("detector", "reid")]
    options = ["model.detector.decoded=True", "model.reid.mean=(0,0,0)", "model.reid.std=(1,1,1)"]
    out = ["--out", str(place / "g"), "--device", "cpu"]
    index.main([str(place / "archive"), *out, *parts, *arguments, "--cfg-options", *options])


def run_search(place, *arguments):
    search.main([str(place / "g"), "--query", str(place / "me.png"), "--device", "cpu", *arguments])


def test_two_commands_find_a_person(place, capsys):
    (place / "archive/broken.png").write_bytes(b"no picture")
    run_index(place, "--camera", "folder", "--time-format", "%Y%m%d_%H%M%S")
    output = capsys.readouterr()
    assert f"skipped: {place / 'archive/broken.png'} cannot be decoded" in output.err
    run_search(place, "--pick", "1", "--out", str(place / "hits.json"))  # blue: from left to right
    written = json.loads((place / "hits.json").read_text())["hits"]
    assert [hit["image"] for hit in written[:2]] == ["c2/20260101_090000.png", "c1/20260101_080000.png"]
    assert written[0]["time"] == 1767258000.0 and written[0]["camera"] == "c2"
    assert "2026-01-01 09:00:00" in capsys.readouterr().out
    box = ["--box", "50", "10", "60", "40"]
    run_search(place, *box, "--ranking", "rcp", "--topk", "1", "--out", str(place / "hits.html"))
    page = (place / "hits.html").read_text()
    assert page.count("<img src='data:image/jpeg;base64,") == 4 and "c1/20260101_080000.png" in page
    assert "http" not in page
    assert "rcp" in capsys.readouterr().out  # the number that orders the hits
    run_search(place, *box, "--cameras", "c2", "--before", "2026-01-01 09:30", "--out", str(place / "hits.png"))
    picture = Image.open(place / "hits.png")
    assert picture.size == (1330, 578)
    assert picture.getpixel((320, 240)) == COLORS["red"]  # the query and below it the hit, their persons in the corner
    assert picture.getpixel((320, 284 + 240)) == COLORS["blue"]
    assert "c2/20260101_090000.png" in (printed := capsys.readouterr().out) and "rcp" not in printed
    with Gallery(place / "g") as gallery:
        Calibration(0.9, "precision >= 1", gallery.facts["fingerprint"], "painted").store()
    with pytest.raises(SystemExit) as ended:
        run_search(place, *box, "--cameras", "c2")
    assert ended.value.code == 1
    assert "hits of similarity 0.900 or more (precision >= 1); --min-similarity: another" in capsys.readouterr().err
    run_search(place, *box, "--cameras", "c2", "--min-similarity", "-1")


def test_a_timeline_of_all_hits_above_a_similarity(place, capsys):
    run_index(place, "--camera", "folder", "--time-format", "%Y%m%d_%H%M%S")
    me = ["--pick", "1", "--timeline", str(place / "seen.json")]
    run_search(place, *me, "--min-similarity", "0.9", "--gap", "30")
    shown = json.loads((place / "seen.json").read_text())["appearances"]
    assert [(one["place"], one["start"], one["pictures"]) for one in shown] == [
        ("c1", 1767254400.0, 1), ("c2", 1767258000.0, 1)
    ]  # fmt: skip
    assert "appearances: 2" in capsys.readouterr().out
    wrong = {"": "expected --min-similarity", "--gap 0": "seconds above 0", "--ranking rcp": "in the order of time"}
    for arguments, message in wrong.items():
        with pytest.raises(SystemExit) as ended:
            run_search(place, *me, *arguments.split())
        assert ended.value.code == 2 and message in capsys.readouterr().err


def test_wrong_searches(place, capsys):
    run_index(place)
    seen = ["--pick", "1", "--min-similarity", "0.9", "--timeline", str(place / "seen.png")]
    with pytest.raises(SystemExit) as ended:
        run_search(place, *seen)
    assert ended.value.code == 2 and "none of the 2 hits has a time" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        run_search(place)
    assert ended.value.code == 2
    assert (
        "2 persons, expected a box or pick, of these (x1, y1, x2, y2): 1: (5, 5, 17, 35); 2:" in capsys.readouterr().err
    )


def test_gallery_commands(place, capsys):
    run_index(place, "--time-format", "%Y%m%d_%H%M%S")
    capsys.readouterr()
    gallery_info.main([str(place / "g")])
    output = capsys.readouterr().out
    assert "two-step_exported" in output and "sha256:" in output

    def check():
        with pytest.raises(SystemExit) as ended:
            gallery_check.main([str(place / "g")])
        return ended.value.code, capsys.readouterr().out

    assert check() == (0, "no faults\n")
    (place / "archive/c2/20260101_100000.png").unlink()
    paint(place / "archive/c2/20260101_090000.png", (300, 200), blue=(30, 5, 42, 35))
    status, text = check()
    assert status == 1 and "pictures that are gone (1): c2/20260101_100000.png" in text
    assert "pictures that have changed (1): c2/20260101_090000.png" in text
    for arguments, code, number in (
        (["--image", "c2/20260101_100000.png"], 0, 1),
        (["--older-than", "2026-01-01 08:30"], 0, 1),
        (["--older-than", "2026-01-01 08:30"], 1, 0),
    ):
        with pytest.raises(SystemExit) as ended:
            gallery_remove.main([str(place / "g"), *arguments])
        assert ended.value.code == code and capsys.readouterr().out == f"removed {number} pictures\n"


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda place: gallery_info.main([str(place / "none")]), "none does not exist"),
        (lambda place: run_search(place), "g does not exist"),
        (lambda place: run_index(place, "--camera", "("), "is neither 'folder' nor a regular expression"),
    ],
)
def test_wrong_input_is_exit_status_2(place, capsys, run, message):
    with pytest.raises(SystemExit) as ended:
        run(place)
    assert ended.value.code == 2 and message in capsys.readouterr().err
