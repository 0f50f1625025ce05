from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib import pyplot
from matplotlib.colors import to_hex
from matplotlib.text import Text
from mmengine.structures import InstanceData
from PIL import Image

from mmpersonsearch.evaluation import evaluate_search, rank_gallery
from mmpersonsearch.structures import Query, SceneImage, SearchProtocol
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.visualization import draw_ranking, open_scene, query_titles
from mmpersonsearch.visualization.ranking_picture import OTHER, QUERY, RIGHT, WRONG

BOX = (10, 10, 40, 80)


def small_case():
    """The person in images b and d; the best detections are those of c (wrong), b (right), d (right)."""
    images = [SceneImage(name, [BOX], [p], camera_id=1) for name, p in zip("abcd", (0, 0, 3, 0))]
    detections = [
        InstanceData(bboxes=torch.tensor([BOX]).float(), scores=torch.ones(1), reid_feats=torch.tensor([[s]]))
        for s in (1.0, 0.8, 0.9, 0.7)
    ]
    protocol = SearchProtocol(images, [Query("a", BOX, 0, 1), Query("c", BOX, 3, 1)])
    return protocol, detections, torch.ones(2, 1)


def scene(img_id):
    return np.full((100, 60, 3), 40 * "abcd".index(img_id), dtype=np.uint8)


def shown(figure):
    """The cells that are not empty, row after row."""
    return [axes for axes in figure.axes if axes.axison]


def frame(axes):
    return to_hex(axes.spines["top"].get_edgecolor())


def boxes(axes):
    """(color, line style, (x1, y1, x2, y2)) of the boxes in a scene, without the white lines under them."""
    patches = [(to_hex(patch.get_edgecolor()), patch.get_linestyle(), patch.get_bbox()) for patch in axes.patches]
    return [(color, style, tuple(bbox.extents)) for color, style, bbox in patches if color != "#ffffff"]


def around(bbox):
    """Just outside of a box."""
    return pytest.approx(np.add(bbox, [-1, -1, 1, 1]), abs=1)


def test_frames_and_marks_tell_right_from_wrong(tmp_path):
    protocol, detections, query_feats = small_case()
    rankings = rank_gallery(protocol, detections, query_feats, [0, 1], k=3)
    figure = draw_ranking(protocol, rankings, scene, tmp_path / "out" / "ranking.png", title="Two queries")
    assert Image.open(tmp_path / "out" / "ranking.png").size == tuple((figure.get_size_inches() * 100).astype(int))
    # Query 0: c is another person, b and d are right. Of query 1 the person is in no other image.
    right, wrong = (RIGHT, "✓"), (WRONG, "✗")
    expected = [(QUERY, "person 0"), wrong, right, right, (QUERY, "person 3"), wrong, wrong, wrong]
    for axes, (color, mark) in zip(shown(figure), expected, strict=True):
        assert frame(axes) == color and mark in axes.texts[0].get_text()
    assert [axes.texts[0].get_text() for axes in shown(figure)[1:4]] == ["1  ✗ 0.900", "2  ✓ 0.800", "3  ✓ 0.700"]
    assert shown(figure)[2].texts[1].get_text() == "camera 1\nb"


def title_of(axes):
    """The title on the left, which matplotlib has no public way to."""
    return axes._left_title


def test_successive_rows_of_a_query_show_it_once():
    protocol, detections, query_feats = small_case()
    first, second = rank_gallery(protocol, detections, query_feats, [0, 1], k=3)
    titles = dict(row_titles=["q0", "q0", "q1", "q0"], match_titles=["A", "B", "A", "A, whose name is long " * 3])
    figure = draw_ranking(protocol, [first, first, second, first], scene, **titles)
    assert [frame(axes) for axes in shown(figure)].count(QUERY) == 3 and len(shown(figure)) == 15
    assert [axes.get_title(loc="left") for axes in figure.axes[::4]] == ["q0", "", "q1", "q0"]
    *of_matches, long = [axes.get_title(loc="left") for axes in figure.axes[1::4]]
    assert of_matches == ["A", "B", "A"] and long.split() == ["A,", "whose", "name", "is", "long"] * 3 and "\n" in long
    figure.draw_without_rendering()
    # A rule stands between two queries, above the titles and below the texts of the row before.
    rules = [line.get_window_extent().y0 for line in figure.artists]
    assert len(rules) == 2
    for rule, row in zip(rules, (2, 3)):
        below = figure.axes[4 * row + 1]
        assert rule > title_of(below).get_window_extent().y1 > below.bbox.y1
        assert rule < min(text.get_window_extent().y0 for text in figure.axes[4 * row - 3].texts)
    with pytest.raises(ValueError, match="4 rows but 1 match_titles"):
        draw_ranking(protocol, [first, first, second, first], scene, match_titles=["A"])


def test_crops_are_what_the_boxes_cover():
    protocol, detections, query_feats = small_case()
    detections[1].bboxes = torch.tensor([[-20.0, -20, 900, 900]])
    detections[2].bboxes = torch.tensor([[500.0, 500, 600, 600]])
    rankings = rank_gallery(protocol, detections, query_feats, [0], k=3)
    rows = np.arange(100 * 60 * 3).reshape(100, 60, 3) // 180
    figure = draw_ranking(protocol, rankings, lambda img_id: rows.astype(np.uint8))
    crops = [np.asarray(axes.images[0].get_array()) for axes in shown(figure)]
    assert np.array_equal(crops[0], rows[10:80, 10:40])
    assert [crop.shape[:2] for crop in crops] == [(70, 30), (1, 1), (100, 60), (70, 30)]  # outside: one pixel


def test_scenes_show_matched_true_and_other_boxes():
    first, second, third = (20, 20, 40, 80), (80, 20, 100, 80), (140, 20, 160, 80)
    images = [SceneImage(name, [first, second], [0, 1], camera_id=4) for name in "abcd"]
    images[3] = SceneImage("d", [first, second], [7, 1], camera_id=5)
    sims = {"a": [0.0, 0.0], "b": [0.9, 0.1], "c": [0.2, 0.8], "d": [0.7, 0.3]}
    detections = [
        InstanceData(
            bboxes=torch.tensor([first, second, third]).float(),
            scores=torch.tensor([0.9, 0.9, 0.1]),
            reid_feats=torch.tensor([[s] for s in (*row, 1.0)]),
        )
        for row in sims.values()
    ]
    protocol = SearchProtocol(images, [Query("a", first, 0, 4)])
    rankings = rank_gallery(protocol, detections, torch.ones(1, 1), [0], k=3)
    figure = draw_ranking(protocol, rankings, lambda img_id: np.full((100, 200, 3), 90, dtype=np.uint8), scenes=True)
    # The query; then b (the person), c (another, the person is there), d (another, the person is not there).
    assert [int(i) for i in rankings[0].image_inds] == [1, 2, 3]
    query, b, c, d = shown(figure)
    assert boxes(query) == [(QUERY, "-", around(first))]
    assert boxes(b) == [(OTHER, "-", around(second)), (RIGHT, "-", around(first))]
    assert boxes(c) == [(OTHER, "-", around(first)), (RIGHT, "--", around(first)), (WRONG, "-", around(second))]
    assert boxes(d) == [(OTHER, "-", around(second)), (WRONG, "-", around(first))]
    for axes in (query, b, c, d):  # nothing of what a box holds is hidden
        for _, _, (x1, y1, x2, y2) in boxes(axes):
            assert x1 < 80 < y2 and x1 % 20 > 15 and x2 % 20 < 5 and y1 < 20
    assert len(figure.legends[0].get_patches()) == 5


def test_scenes_of_any_shape_keep_it_and_boxes_outside_are_drawn_at_the_edge():
    protocol, detections, query_feats = small_case()
    detections[1].bboxes = torch.tensor([[-20.0, -20, 900, 900]])
    detections[2].bboxes = torch.tensor([[500.0, 500, 600, 600]])
    rankings = rank_gallery(protocol, detections, query_feats, [0], k=3)
    figure = draw_ranking(protocol, rankings, scene, scenes=True)
    _, outside, over, _ = shown(figure)
    assert boxes(outside)[-1][2] == around((60, 100, 60, 100)) and boxes(over)[-1][2] == around((0, 0, 60, 100))
    for axes in shown(figure):
        room = axes.get_window_extent()
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        assert room.width / (right - left) == pytest.approx(room.height / (bottom - top))
        assert left < 0 and right > 60 and (bottom, top) == pytest.approx((100, 0))


def test_scenes_are_turned_as_the_camera_says(tmp_path):
    """As OpenCV does, which the models' images are read by; boxes are in pixels of the turned image."""
    pixels = np.zeros((20, 40, 3), dtype=np.uint8)
    pixels[:, :20, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to view
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif, quality=95)
    turned = np.asarray(open_scene(tmp_path / "a.jpg"))
    assert turned.shape == (40, 20, 3)
    assert turned[:18, :, 0].min() > 200 and turned[22:, :, 0].max() < 50


def test_files_that_are_no_images_are_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"a\.jpg cannot be decoded"):
        open_scene(tmp_path / "a.jpg")
    with pytest.raises(FileNotFoundError, match=r"b\.jpg"):
        open_scene(tmp_path / "b.jpg")


def test_titles_tell_person_camera_and_average_precision():
    protocol, detections, query_feats = small_case()
    result = evaluate_search(protocol, detections, query_feats)
    # The person of query 1 is in no other image.
    assert result.query_inds.tolist() == [0]
    # Query 0: c (wrong) before b and d (right): precisions 1/2 and 2/3.
    assert query_titles(protocol, [1, 0], result.ap_by_query()) == [
        "query 1, person 3, camera 1, in no gallery image",
        "query 0, person 0, camera 1, AP 58.3%",
    ]
    protocol.images[0].camera_id = None
    assert query_titles(protocol, [0]) == ["query 0, person 0"]
    protocol.class_name = "tattoo"
    assert query_titles(protocol, [0]) == ["query 0, tattoo 0"]


def test_pictures_name_what_is_searched_for():
    protocol, detections, query_feats = small_case()
    protocol.class_name = "tattoo"
    rankings = rank_gallery(protocol, detections, query_feats, [0], k=1)
    figure = draw_ranking(protocol, rankings, scene, scenes=True)
    texts = [text.get_text() for text in figure.findobj(Text)]
    assert {"tattoo 0", "the tattoo, if another was matched"} <= set(texts)
    assert not [text for text in texts if "person" in text]


@pytest.mark.parametrize("scenes", [False, True])
def test_long_titles_and_names_stay_within_the_picture(scenes):
    protocol, detections, query_feats = small_case()
    protocol.images[2].img_id = "c" * 200
    rankings = rank_gallery(protocol, detections, query_feats, [0], k=1)
    figure = draw_ranking(
        protocol, rankings, lambda img_id: scene(img_id[0]), title="w " * 90, row_titles=["w " * 90], scenes=scenes
    )
    figure.draw_without_rendering()
    for text in figure.findobj(Text):
        extent = text.get_window_extent()
        assert extent.x0 >= 0 and extent.x1 <= figure.bbox.width, text
    (title,) = figure.texts
    above = figure.legends[0] if scenes else title  # a title of several lines hides nothing
    assert title_of(figure.axes[0]).get_window_extent().y1 <= above.get_window_extent().y0 + 1
    assert title.get_window_extent().y1 <= figure.bbox.height


def test_rows_may_be_of_different_length_and_titled():
    protocol, detections, query_feats = small_case()
    long, short = (rank_gallery(protocol, detections, query_feats, [0], k=k)[0] for k in (3, 1))
    figure = draw_ranking(protocol, [long, short], scene, row_titles=["plain", "rcp"])
    assert len(figure.axes) == 8 and len(shown(figure)) == 5  # the query once
    assert [axes.get_title(loc="left") for axes in figure.axes[::4]] == ["plain", "rcp"]
    heights = [axes.get_window_extent().y0 for axes in figure.axes[::4]]
    assert heights[0] - heights[1] > shown(figure)[0].get_window_extent().height + 60  # room for the texts


def test_queries_that_found_nobody_are_drawn_alone():
    protocol, detections, query_feats = small_case()
    (ranking,) = rank_gallery(protocol, detections, query_feats, [0], k=1)
    nobody = replace(ranking, **{name: getattr(ranking, name)[:0] for name in ("image_inds", "bboxes", "similarities")})
    assert len(shown(draw_ranking(protocol, [nobody, nobody], scene))) == 1


def test_figures_are_not_kept_open():
    protocol, detections, query_feats = small_case()
    before = dict(pyplot.rcParams)
    draw_ranking(protocol, rank_gallery(protocol, detections, query_feats, [0], k=1), scene)
    assert pyplot.get_fignums() == [] and dict(pyplot.rcParams) == before


def test_bad_input():
    protocol, detections, query_feats = small_case()
    rankings = rank_gallery(protocol, detections, query_feats, [0], k=3)
    with pytest.raises(ValueError, match="no ranking list"):
        draw_ranking(protocol, [], scene)
    with pytest.raises(ValueError, match="1 rows but 2 row_titles"):
        draw_ranking(protocol, rankings, scene, row_titles=["a", "b"])
