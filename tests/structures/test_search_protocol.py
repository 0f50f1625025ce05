import numpy as np
import pytest

from mmpersonsearch.structures import AllImages, CrossCamera, ImageList, Listed, Query, SceneImage, SearchProtocol

BOX = (0, 0, 10, 20)


@pytest.mark.parametrize(
    ("galleries", "expected"),
    [(AllImages(), None), (CrossCamera(), None), (Listed({100: [], 50: []}), 100), (Listed({7: []}), 7)],
)
def test_the_main_gallery_is_the_first(galleries, expected):
    assert SearchProtocol([], [], galleries).main_gallery == expected


def test_every_image_but_the_querys_own_where_nothing_is_said():
    assert SearchProtocol([], []).galleries == AllImages()


@pytest.mark.parametrize(("present", "bboxes"), [([2], [BOX]), ([-1], [BOX]), ([0, 0], [BOX, BOX])])
def test_places_that_a_list_does_not_have(present, bboxes):
    with pytest.raises(ValueError, match=r"expected different places in a list of 2 images"):
        ImageList([4, 5], present, bboxes)


def test_boxes_that_are_not_one_for_each_image_that_holds_the_person():
    with pytest.raises(ValueError, match="2 images hold the person but bboxes has 1"):
        ImageList([4, 5], [0, 1], [BOX])


def test_a_list_without_the_person():
    none = ImageList(np.arange(3), [], [])
    assert none.bboxes.shape == (0, 4) and none.present.dtype == np.int64


def test_bad_galleries_are_named():
    images, queries = [SceneImage("a", [BOX], [0])], [Query("a", BOX, 0)]
    with pytest.raises(ValueError, match="gallery 50 has 0 lists, expected one for each of the 1 queries"):
        SearchProtocol(images, queries, Listed({50: []}))
    for galleries in ("all", {50: []}, None):
        with pytest.raises(ValueError, match="must be AllImages, CrossCamera or Listed"):
            SearchProtocol(images, queries, galleries)
