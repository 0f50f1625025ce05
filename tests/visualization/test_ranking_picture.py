import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from PIL import Image

from mmpersonsearch.evaluation import rank_gallery
from mmpersonsearch.structures import Query, SceneImage, SearchProtocol
from mmpersonsearch.visualization import draw_ranking
from mmpersonsearch.visualization.ranking_picture import QUERY, RIGHT, WRONG

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
