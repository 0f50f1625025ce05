"""HTML of the page."""

import re

import numpy as np
from page.conftest import EVIL

from mmpersonsearch.apis import Hit, Hits
from mmpersonsearch.page import views
from mmpersonsearch.page.desk import Filters, Visit
from mmpersonsearch.utils import times

BOX = (1.0, 2.0, 30.0, 40.0)
DAY = 1767225600


def searched(desk):
    visit = Visit()
    desk.open_archived(visit, "c1/20260101_080000.png")
    desk.choose(visit, 2)
    desk.search(visit, Filters())
    return visit


def test_names_cannot_break_the_page(desk):
    visit = searched(desk)
    visit.listed = desk.archive.list()
    parts = [views.results(visit, desk), views.archive_page(visit, desk.archive, 0), views.note(EVIL)]
    for part in parts:
        assert "onclick=&#x27;x&#x27;&gt;&#36;&#123;1+1&#125;&#123;&#123;value&#125;&#125;" in part
        assert "<b onclick" not in part and not set("{}$`") & set(part)


def test_the_page_has_its_pictures_inside(desk):
    visit = searched(desk)
    visit.listed = desk.archive.list()
    for part in (views.results(visit, desk), views.archive_page(visit, desk.archive, 0), views.stage(visit)):
        sources = re.findall("(?:src|href)='([^']*)'", part)
        assert sources and all(source.startswith("data:") for source in sources)


def test_persons_are_buttons_over_the_picture(desk):
    visit = searched(desk)
    part = views.stage(visit)
    places = re.findall(r"class='box( chosen)?' data-act='pick' data-number='(\d)'[^>]*style='([^']*)'", part)
    assert places == [  # the larger one first, under the smaller
        (" chosen", "2", "left:41.667%;top:7.812%;width:12.500%;height:46.875%"),
        ("", "1", "left:10.417%;top:15.625%;width:10.417%;height:46.875%"),
    ]
    desk.choose_box(visit, [60, 10, 90, 60])
    assert "class='box chosen' tabindex='-1'" in views.stage(visit)
    desk.open_archived(visit, f"{EVIL}/20260101_110000.png")
    part = views.stage(visit)
    assert "Nobody was detected" in part and "class='stage cornering'" in part and "chosen" not in part


def test_what_is_shown_without_hits(desk):
    visit = Visit()
    assert "appear here" in views.results(visit, desk) and "appears here" in views.stage(visit)
    assert "role='alert'" in views.stage(visit, "broken") and "broken" in views.stage(visit, "broken")
    visit = searched(desk)
    desk.search(visit, Filters(after="2030-01-01"))
    assert "No hit: no picture passes the filters" in views.results(visit, desk)
    assert "No picture of the archive" in views.archive_page(visit, desk.archive, 0)


def test_marks_are_shown(desk):
    visit = searched(desk)
    assert "Mark hits by their thumbs" in views.results(visit, desk)
    desk.mark(visit, 1, right=True)
    desk.mark(visit, 2, right=False)
    part = views.results(visit, desk)
    assert "1 marked right, 1 marked wrong" in part and part.count("aria-pressed='true'") == 2
    assert "<figure id='hit-1' class='right'>" in part and "<figure id='hit-2' class='wrong'>" in part


def test_pictures_of_the_archive_are_paged(desk, monkeypatch):
    monkeypatch.setattr(views, "PAGE_SIZE", 3)
    visit = Visit(listed=desk.archive.list())
    assert "1 to 3 of 4" in views.archive_page(visit, desk.archive, -1)
    last = views.archive_page(visit, desk.archive, 7)
    assert "4 to 4 of 4" in last and re.findall(r"data-number='(\d)' disabled", last) == ["2"]
    assert "data-act='open' data-number='3'" in last
    monkeypatch.setattr(desk.archive, "number", 9)
    assert "(the first 4 of 9 are listed)" in views.archive_page(visit, desk.archive, 0)


def test_hits_are_on_a_line_of_time_for_each_camera():
    rows = [("b", DAY + 100.0), ("a", DAY + 300.0), ("a", None), ("b", DAY + 200.0)]
    hits = [Hit(f"{i}.jpg", BOX, 0.5, 0.5, 1.0, camera, time) for i, (camera, time) in enumerate(rows)]
    part = views.timeline(Hits(hits, None, ""))
    cameras = re.findall(r"<span title='([ab])'>[ab]</span><div class='track'>(.*?)</div>", part)
    assert [name for name, _ in cameras] == ["a", "b"]
    dots = [re.findall(r"data-scroll='hit-(\d)'[^>]*left:([\d.]+)%", track) for _, track in cameras]
    assert dots == [[("2", "100.00")], [("4", "50.00"), ("1", "0.00")]]  # the better one above
    assert f"<span>{times.time_text(DAY + 100)}</span><span>{times.time_text(DAY + 300)}</span>" in part
    video = Hit("walk.avi#t=5.000", BOX, 0.5, 0.5, 1.0, "", 5.0)
    both = views.timeline(Hits([*hits, video], None, ""))
    assert "title='walk.avi'" in both and "<span>5.0 s</span><span>5.0 s</span>" in both and "50.00%" in both
    assert views.timeline(Hits(hits[:1], None, "")) == ""
    same = Hits([hits[0], hits[0]], None, "")
    assert np.all([float(x) == 0 for x in re.findall(r"left:([\d.]+)%", views.timeline(same))])


def test_a_picture_that_is_gone_leaves_the_others(desk, archive_root):
    visit = searched(desk)
    views._cached_urls.cache_clear()
    path = archive_root / "c1/20260101_080000.png"
    content = path.read_bytes()
    path.unlink()
    try:
        part = views.results(visit, desk)
    finally:
        path.write_bytes(content)
        views._cached_urls.cache_clear()
    assert part.count("<figure") == len(visit.hits)
