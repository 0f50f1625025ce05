import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from PIL import Image, ImageDraw

from mmpersonsearch.evaluation import evaluate_search, rank_gallery
from mmpersonsearch.structures import Query, SceneImage, SearchProtocol
from mmpersonsearch.visualization import draw_ranking, draw_ranking_scenes, query_titles
from mmpersonsearch.visualization.page import OTHER, QUERY, RIGHT, WRONG

BOX = (10, 10, 40, 80)
COLORS = dict(query=QUERY, right=RIGHT, wrong=WRONG, other=OTHER)


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


def test_frames_tell_right_from_wrong(tmp_path):
    protocol, detections, query_feats = small_case()
    rankings = rank_gallery(protocol, detections, query_feats, [0, 1], k=3)
    picture = draw_ranking(protocol, rankings, scene, tmp_path / "out" / "ranking.png", title="Two queries")
    written = Image.open(tmp_path / "out" / "ranking.png")
    assert np.array_equal(np.asarray(written), np.asarray(picture))
    colors = np.asarray(picture)
    # A frame's upper edge: its row of pixels is as long as a cell is wide.
    for color, number in ((QUERY, 2), (RIGHT, 2), (WRONG, 4)):
        same = (colors == color).all(2)
        edges = sum(
            same[y, x : x + 120].all() and not same[y - 1, x : x + 120].any()
            for y in range(1, same.shape[0])
            for x in np.flatnonzero(same[y] & ~np.roll(same[y], 1))
        )
        assert edges == number, color


def has_color(picture, color, x, y):
    """Whether the colour is within two pixels of a point."""
    part = np.asarray(picture)[y - 2 : y + 3, x - 2 : x + 3]
    return bool((part == color).all(2).any())


def test_scenes_show_matched_true_and_other_boxes():
    """Scenes of 200 x 100 in cells that show them at twice the size."""
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
    grey = np.full((100, 200, 3), 90, dtype=np.uint8)
    page = draw_ranking_scenes(protocol, rankings, lambda img_id: grey, cell_size=(410, 210))
    pixels = np.asarray(page)
    top = int(np.flatnonzero((pixels[:, 10] == QUERY).all(1))[-1]) - 209 + 5  # of the scenes
    lefts = [15, 445, 865, 1285]
    for left in lefts:
        assert (pixels[top + 195, left + 4] == 90).all()

    def colors_at(column, bbox):
        x, y = lefts[column] + 2 * bbox[0], top + bbox[1] + bbox[3]
        return {name for name, color in COLORS.items() if has_color(page, color, x - 2, y)}

    def dashed(column, bbox, color):
        side = pixels[top + 2 * bbox[1] : top + 2 * bbox[3], lefts[column] + 2 * bbox[0] - 2]
        return 0.3 < (side == color).all(1).mean() < 0.8

    # The query; then b (the person), c (another, the person is there), d (another, the person is not there).
    assert [int(i) for i in rankings[0].image_inds] == [1, 2, 3]
    assert [colors_at(0, bbox) for bbox in (first, second, third)] == [{"query"}, set(), set()]
    assert [colors_at(1, bbox) for bbox in (first, second, third)] == [{"right"}, {"other"}, set()]
    assert colors_at(2, second) == {"wrong"} and colors_at(2, third) == set()
    assert dashed(2, first, RIGHT) and not dashed(2, second, WRONG) and not dashed(1, first, RIGHT)
    assert [colors_at(3, bbox) for bbox in (first, second, third)] == [{"wrong"}, {"other"}, set()]
    assert not dashed(3, first, RIGHT)


def test_scenes_of_any_shape_keep_it_and_boxes_outside_are_drawn():
    protocol, detections, query_feats = small_case()
    detections[1].bboxes = torch.tensor([[-20.0, -20, 900, 900]])
    detections[2].bboxes = torch.tensor([[500.0, 500, 600, 600]])
    rankings = rank_gallery(protocol, detections, query_feats, [0], k=3)
    page = np.asarray(draw_ranking_scenes(protocol, rankings, lambda img_id: scene(img_id) + 7, cell_size=(410, 210)))
    # 100 x 60 pixels become 200 x 120, the rest of the cell is grey.
    rows, columns = np.nonzero((page[:, 15:415] == 7).all(2))
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (200, 120)


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


def test_pictures_name_what_is_searched_for(monkeypatch):
    protocol, detections, query_feats = small_case()
    protocol.class_name = "tattoo"
    texts = []
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda self, place, text, *args, **kwargs: texts.append(text))
    rankings = rank_gallery(protocol, detections, query_feats, [0], k=1)
    draw_ranking_scenes(protocol, rankings, scene)
    assert {"tattoo 0", "the tattoo, where another was taken"} <= set(texts)
    assert not [text for text in texts if "person" in text]


def test_long_titles_are_not_cut_off():
    protocol, detections, query_feats = small_case()
    rankings = rank_gallery(protocol, detections, query_feats, [0], k=1)
    for draw in (draw_ranking, draw_ranking_scenes):
        for titles in (dict(title="W" * 90), dict(row_titles=["W" * 90])):
            page = np.asarray(draw(protocol, rankings, scene, **titles))
            assert (page[:, -8:] == 255).all()
            assert (page[:140, -40:-10] < 100).any()


def test_rows_may_be_of_different_length_and_titled():
    protocol, detections, query_feats = small_case()
    long, short = (rank_gallery(protocol, detections, query_feats, [0], k=k)[0] for k in (3, 1))
    plain = draw_ranking(protocol, [long, short], scene, cell_size=(60, 90))
    titled = draw_ranking(protocol, [long, short], scene, cell_size=(60, 90), row_titles=["plain", "rcp"])
    assert titled.width == plain.width == 10 * 6 + 4 * 60
    assert titled.height > plain.height


def test_boxes_outside_the_image_and_long_names_are_drawn():
    protocol, detections, query_feats = small_case()
    detections[1].bboxes = torch.tensor([[-20.0, -20, 900, 900]])
    detections[2].bboxes = torch.tensor([[500.0, 500, 600, 600]])
    protocol.images[1].img_id = "b" * 200
    rankings = rank_gallery(protocol, detections, query_feats, [0], k=3)
    draw_ranking(protocol, rankings, lambda img_id: scene(img_id[0]), cell_size=(40, 60))


def test_bad_input():
    protocol, detections, query_feats = small_case()
    rankings = rank_gallery(protocol, detections, query_feats, [0], k=3)
    with pytest.raises(ValueError, match="no ranking list"):
        draw_ranking(protocol, [], scene)
    with pytest.raises(ValueError, match="1 rows but 2 row_titles"):
        draw_ranking(protocol, rankings, scene, row_titles=["a", "b"])
    with pytest.raises(ValueError, match="no ranking list"):
        draw_ranking_scenes(protocol, [], scene)
