import numpy as np
import pytest

from mmpersonsearch.visualization.local_visualizer import place_labels

SIZE = np.array([[30.0, 10]])


def place(*bboxes, taken=None, below=False, sizes=None):
    bboxes = np.array(bboxes, dtype=float)
    sizes = SIZE.repeat(len(bboxes), axis=0) if sizes is None else sizes
    return place_labels(bboxes, sizes, (200, 100), [] if taken is None else taken, below).tolist()


def overlap(a, b):
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))


def test_a_lonely_label_stands_over_or_under_its_box():
    assert place((40, 30, 60, 80)) == [[40, 20]]
    assert place((40, 30, 60, 80), below=True) == [[40, 70]]
    # Within the image at all edges.
    assert place((-5, -5, 20, 80)) == [[0, 0]]
    assert place((190, 30, 200, 80)) == [[170, 20]]


def test_labels_of_boxes_that_begin_at_one_place_stand_apart():
    taken = []
    box = (40, 30, 100, 80)
    assert place(box, box, box, taken=taken) == [[40, 20], [40, 30], [70, 20]]
    assert [label.tolist() for label in taken] == [[40, 20, 70, 30], [40, 30, 70, 40], [70, 20, 100, 30]]
    # Those of another kind keep off them too.
    assert place(box, taken=taken) == [[70, 30]]


@pytest.mark.parametrize("seed", range(20))
def test_none_covers_another_where_there_is_room(seed):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, [150, 60], (6, 2))
    bboxes = np.concatenate([corners, corners + rng.uniform(10, 60, (6, 2))], axis=1)
    taken = []
    place_labels(bboxes, np.full((6, 2), [24.0, 9]), (200, 100), taken)
    assert all(overlap(taken[i], taken[j]) == 0 for i in range(6) for j in range(i))
    assert all((label[:2] >= 0).all() and (label[2:] <= (200, 100)).all() for label in taken)


def test_unlabelled_boxes_take_no_room():
    taken = []
    place((40, 30, 60, 80), taken=taken, sizes=np.array([[0.0, 10]]))
    assert taken == []
