import json

import numpy as np
import pytest
from matplotlib.collections import PathCollection, PolyCollection
from PIL import Image

from mmpersonsearch.apis import Hit, Hits
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.visualization import plot_timeline

DAY = 1767225600.0  # 2026-01-01


def hits_of(*rows):
    """Hits from (image, similarity, camera, time)."""
    return Hits([Hit(i, (0, 0, 1, 1), s, s, 0.9, c, t) for i, s, c, t in rows], None, "")


EXAMPLE = hits_of(
    ("a3", 0.9, "a", DAY + 25), ("a1", 0.8, "a", DAY + 5), ("b1", 0.7, "b", DAY + 8), ("a2", 0.6, "a", DAY + 15),
    ("a4", 0.5, "a", DAY + 36), ("w.avi#t=2.000", 0.55, "b", 2.0), ("v.avi#t=1.000", 0.65, "b", 1.0),
    ("w.avi#t=4.000", 0.75, "b", 4.0), ("no time", 0.4, "b", None), ("x", 0.45, "", DAY),
)  # fmt: skip


def test_hits_are_grouped_by_camera_and_gap():
    timeline = EXAMPLE.timeline(gap=10)
    assert timeline.undated == 1
    assert [tuple(row.values()) for row in timeline.rows()] == [
        ("all pictures", DAY, DAY, 1, 0.45, "x"),
        ("a", DAY + 5, DAY + 25, 3, 0.9, "a3"),  # ten seconds apart are one appearance, eleven are two
        ("b", DAY + 8, DAY + 8, 1, 0.7, "b1"),
        ("a", DAY + 36, DAY + 36, 1, 0.5, "a4"),
        ("b, v.avi", 1.0, 1.0, 1, 0.65, "v.avi#t=1.000"),
        ("b, w.avi", 2.0, 4.0, 2, 0.75, "w.avi#t=4.000"),
    ]
    assert len(EXAMPLE.timeline(gap=1.5)) == 9 and len(EXAMPLE.timeline(gap=11)) == 5
    assert list(timeline.to_pandas().pictures) == [1, 3, 1, 1, 1, 2]
    with pytest.raises(InputError, match="gap 0, expected seconds above 0"):
        EXAMPLE.timeline(gap=0)


def test_the_figure_has_lanes_of_places_and_dots_of_pictures():
    dates, seconds = EXAMPLE.timeline().figure().axes[:2]
    assert [text.get_text() for text in dates.get_yticklabels()] == ["all pictures", "a", "b"]
    assert [text.get_text() for text in seconds.get_yticklabels()] == ["b, v.avi", "b, w.avi"]
    dots = [one.get_offsets().data for one in seconds.collections if isinstance(one, PathCollection)]
    np.testing.assert_allclose(np.concatenate(dots), [[1, 0], [2, 1], [4, 1]])
    bars = [
        one.get_paths()[0].get_extents().intervalx for one in seconds.collections if isinstance(one, PolyCollection)
    ]
    np.testing.assert_allclose(bars, [[1, 1], [2, 4]])
    dots = np.concatenate([one.get_offsets().data for one in dates.collections if isinstance(one, PathCollection)])
    np.testing.assert_allclose(dots[1], [(DAY + 5) / 86400, 1])  # the lane of camera a
    with pytest.raises(InputError, match="a timeline shows 1 to 200 places of hits with a time, got 0"):
        plot_timeline([])


def test_it_is_written_as_picture_and_table(tmp_path):
    hits_of(("$a_1", 0.5, "Žofie $1", DAY), ("b", 0.5, "c" * 60, DAY)).timeline().draw(tmp_path / "t.png")
    width, height = Image.open(tmp_path / "t.png").size
    assert width == 1400 and height < 400
    EXAMPLE.timeline().to_json(tmp_path / "t.json")
    written = json.loads((tmp_path / "t.json").read_text())
    assert written["undated"] == 1 and len(written["appearances"]) == 6
    assert written["appearances"][1]["image"] == "a3"
