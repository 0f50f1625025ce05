"""A gallery of painted persons, whose second camera has a name that would break a page that does not escape it."""

import pytest
from painted_persons import make_searcher, paint

EVIL = "c2 <b onclick='x'>${1+1}{{value}}"


@pytest.fixture(scope="package")
def archive_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("page") / "archive"
    paint(root / "c1/20260101_080000.png", red=(10, 10, 20, 40), blue=(40, 5, 52, 35))
    paint(root / EVIL / "20260101_090000.png", blue=(30, 5, 42, 35))
    paint(root / EVIL / "20260101_100000.png", green=(30, 5, 42, 35))
    paint(root / EVIL / "20260101_110000.png")
    return root


@pytest.fixture(scope="package")
def desk(tmp_path_factory, archive_root):
    pytest.importorskip("pymilvus", reason="galleries need pymilvus and milvus-lite (extra gallery)")
    pytest.importorskip("milvus_lite", reason="galleries need pymilvus and milvus-lite (extra gallery)")
    from mmpersonsearch.page.desk import Desk

    folder = tmp_path_factory.mktemp("gallery")
    with pytest.MonkeyPatch.context() as patch:
        searcher = make_searcher(patch, folder / "weights")
    options = dict(camera="folder", time_format="%Y%m%d_%H%M%S")
    with searcher.index(archive_root, folder / "painted.gallery", **options) as gallery:
        yield Desk(gallery, searcher)
