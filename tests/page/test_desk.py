"""What the page does, without Gradio."""

import io
import struct

import numpy as np
import pytest
from page.conftest import EVIL
from painted_persons import make_searcher, paint_array
from PIL import Image

from mmpersonsearch.page.archive import read_upload
from mmpersonsearch.page.desk import Desk, Filters, Visit
from mmpersonsearch.utils.errors import InputError

BLUE_AND_RED = dict(red=(50, 10, 60, 40), blue=(5, 5, 17, 35))
SCENES = ["c1/20260101_080000.png", f"{EVIL}/20260101_090000.png", f"{EVIL}/20260101_100000.png"]


def png(image, kind="PNG", **options):
    content = io.BytesIO()
    Image.fromarray(image).save(content, kind, **options)
    return content.getvalue()


def bmp_header(width, height):
    content = png(np.zeros((16, 16, 3), np.uint8), "BMP")
    return content[:18] + struct.pack("<ii", width, height) + content[26:]


@pytest.fixture
def visit(desk):
    """A visit for which blue was chosen in an upload."""
    visit = Visit()
    desk.open_upload(visit, png(paint_array(**BLUE_AND_RED)), "me.png")
    desk.choose(visit, 1)
    return visit


def images(visit):
    return [hit.image for hit in visit.hits]


def test_a_person_of_an_upload_is_found(desk, visit):
    assert visit.size == (96, 64) and visit.found.bboxes.tolist() == [[5, 5, 17, 35], [50, 10, 60, 40]]
    desk.search(visit, Filters())
    assert images(visit)[:2] == [SCENES[1], SCENES[0]] and visit.hits[1].similarity > 0.99
    assert visit.hits[1].bbox == (40, 5, 52, 35)
    written = desk.to_dict(visit)
    assert written["query"] == [dict(image="me.png", bbox=[5, 5, 17, 35])]
    assert [row["image"] for row in written["hits"]] == images(visit) and written["hits"][0]["right"] is None


def test_filters(desk, visit):
    for filters, expected in (
        (Filters(cameras=["c1"]), SCENES[:1]),
        (Filters(after=" 2026-01-01 08:30 ", before="2026-01-01 09:30"), SCENES[1:2]),
        (Filters(min_similarity=0.9), [SCENES[1], SCENES[0]]),
        (Filters(topk=1), SCENES[1:2]),
        (Filters(after="2027-01-01"), []),
    ):
        desk.search(visit, filters)
        assert images(visit) == expected, filters
    for text in ("noon", "nan", "inf"):
        with pytest.raises(InputError, match=f"time '{text}': expected seconds or a date"):
            desk.search(visit, Filters(after=text))


def test_rcp_prefers_the_scene_with_the_companion(desk, visit):
    desk.search(visit, Filters("rcp"))
    assert images(visit)[0] == SCENES[0]  # which has red, too


def test_marked_hits_are_searched_with_or_left_out(desk, visit):
    desk.search(visit, Filters())
    alone = {hit.image: hit.similarity for hit in visit.hits}
    rank = images(visit).index(SCENES[2]) + 1
    desk.mark(visit, rank, right=True)  # green
    assert [visit.mark_of(hit) for hit in visit.hits] == [image == SCENES[2] or None for image in images(visit)]
    desk.search(visit, Filters())
    green = next(hit.similarity for hit in visit.hits if hit.image == SCENES[2])
    np.testing.assert_allclose(green, ((1 + alone[SCENES[2]]) / 2) ** 0.5, atol=1e-3)  # cosine of half the angle
    assert len(visit.hits.query.pictures) == 2 and desk.to_dict(visit)["query"][1]["image"].endswith(SCENES[2])
    rank = images(visit).index(SCENES[2]) + 1
    desk.mark(visit, rank, right=False)
    assert desk.to_dict(visit)["hits"][rank - 1]["right"] is False
    desk.search(visit, Filters(topk=2))
    assert sorted(images(visit)) == sorted(SCENES[:2])
    desk.mark(visit, 1, right=True)
    desk.mark(visit, 1, right=True)
    assert not visit.right
    with pytest.raises(InputError, match="there is no hit 3"):
        desk.mark(visit, 3, right=True)
    desk.choose(visit, 2)
    assert visit.hits is None and not visit.wrong


def test_a_picture_of_the_archive_has_the_gallerys_persons(desk, archive_root, monkeypatch):
    monkeypatch.setattr(desk.searcher, "predict", None)  # nothing is computed
    visit = Visit()
    desk.open_archived(visit, SCENES[0])
    assert visit.found.bboxes.tolist() == [[10, 10, 20, 40], [40, 5, 52, 35]] and visit.size == (96, 64)
    desk.choose(visit, 2)
    desk.search(visit, Filters(topk=2))
    assert sorted(images(visit)) == sorted(SCENES[:2])
    np.testing.assert_allclose([hit.similarity for hit in visit.hits], 1, atol=1e-3)
    with pytest.raises(InputError, match="there is no person 3 in the picture"):
        desk.choose(visit, 3)
    desk.open_archived(visit, f"{EVIL}/20260101_110000.png")
    assert len(visit.found.scores) == 0


def test_two_corners_in_any_order_are_a_box(desk):
    visit = Visit()
    with pytest.raises(InputError, match="there is no picture yet"):
        desk.choose_box(visit, [1, 2, 30, 40])
    desk.open_archived(visit, SCENES[0])
    desk.choose_box(visit, [52, 35, 40, -5])
    assert visit.query.bboxes.tolist() == [[40, 0, 52, 35]]
    desk.search(visit, Filters(topk=1))
    assert visit.hits[0].similarity > 0.99
    with pytest.raises(InputError, match="too near each other"):
        desk.choose_box(visit, [40, 5, 42, 35])


def test_files_outside_of_the_archive_are_refused(desk, archive_root):
    secret = archive_root.parent / "secret.png"
    Image.new("RGB", (20, 20)).save(secret)
    (archive_root / "link.png").symlink_to(secret)
    for name in ("../secret.png", str(secret), "link.png", "c1/../../secret.png", "../secret.png#t=1.000"):
        with pytest.raises(InputError, match="is outside of the archive"):
            desk.open_archived(Visit(), name)
    (archive_root / "link.png").unlink()
    with pytest.raises(InputError, match=r"gone\.png is gone from the archive"):
        desk.open_archived(Visit(), "gone.png")


def test_pictures_are_listed_by_name_and_camera(desk):
    assert [row["image"] for row in desk.archive.list()] == [*SCENES, f"{EVIL}/20260101_110000.png"]
    assert [row["image"] for row in desk.archive.list(" _1000", EVIL)] == [SCENES[2]]
    assert desk.archive.cameras == ["c1", EVIL] and desk.archive.list("_08", EVIL) == []
    assert desk.archive.times == (1767254400, 1767265200) and (desk.archive.number, desk.archive.persons) == (4, 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello", "me.jpg is no picture that can be read: expected JPEG, PNG"),
        (b"", "me.jpg is no picture that can be read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n", "is no picture that can be read"),
        (png(np.zeros((20, 20, 3), np.uint8), "GIF"), "is no picture that can be read"),
        (png(np.zeros((15, 99, 3), np.uint8)), "is 99 x 15: expected 16 pixels a side or more"),
        (bmp_header(7000, 7200), "is 7000 x 7200: .* 50 megapixels or fewer"),
        (png(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))[:4000], "me.jpg is broken"),
    ],
)
def test_what_is_no_picture_is_refused(content, message):
    with pytest.raises(InputError, match=message):
        read_upload(content, "me.jpg")


def test_an_upload_is_turned_as_its_camera_was_held():
    image = np.zeros((20, 30, 3), np.uint8)
    image[:5] = [200, 10, 10]
    exif = Image.Exif()
    exif[0x0112] = 6
    found = read_upload(png(image, "JPEG", exif=exif), "x")
    assert found.shape == (30, 20, 3) and found[15, 18, 2] > 150 > 50 > found[15, 2, 2]


def test_another_models_gallery_is_refused(desk, tmp_path, monkeypatch):
    (tmp_path / "reid.onnx").write_text("another network")
    other = make_searcher(monkeypatch, tmp_path)
    with pytest.raises(InputError, match="has embeddings of two-step_exported"):
        Desk(desk.gallery, other)
