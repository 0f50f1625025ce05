import pytest

from mmpersonsearch.structures import SearchProtocol


@pytest.mark.parametrize(
    ("galleries", "expected"), [("all", None), ("cross_camera", None), ({100: [], 50: []}, 100), ({7: []}, 7)]
)
def test_the_main_gallery_is_the_first(galleries, expected):
    assert SearchProtocol([], [], galleries).main_gallery == expected
