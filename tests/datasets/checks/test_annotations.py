"""Boxes, identities and queries: each fault by itself, on a few boxes."""

import json

import numpy as np
import pytest
from dataset_writers import CUHK_QUERIES, write_cuhk
from mmengine.registry import init_default_scope

from mmpersonsearch.datasets.checks import Split, check_boxes, check_identities, check_queries, read_splits
from mmpersonsearch.structures import AllImages, CrossCamera, Query, SceneImage, SearchProtocol
from mmpersonsearch.utils.faults import ERROR, WARNING, Faults


def split_of(persons, protocol=None, size=(100, 80)):
    """``persons``: (image, person_id, x1, y1, x2, y2)."""
    rows = np.array(persons, dtype=float).reshape(-1, 6)
    number = int(rows[:, 0].max(initial=-1)) + 1
    names, sizes = [f"i{i}" for i in range(number)], np.full((number, 2), size, dtype=float)
    image, person_ids = rows[:, 0].astype(int), rows[:, 1].astype(int)
    return Split("train", True, names, names, sizes, image, rows[:, 2:], person_ids, protocol)


def lines(check, split):
    faults = Faults()
    check(split, faults)
    assert faults.lines(ERROR) == []
    return faults.lines(WARNING)


GOOD = [(0, i, 50 + i, 40, 60 + i, 70) for i in range(9)]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ([], None),
        ([(1, -1, 90, 70, 101, 81)], None),  # a pixel of rounding
        ([(1, -1, 90, 70, 102, 75)], "boxes beyond the image, 10% of all (1): [90.0, 70.0, 102.0, 75.0] in 'i1'"),
        (
            [(1, 4, 20, 30, 20, 50)],
            "boxes x1, y1, x2, y2 without area, which are skipped (1): [20.0, 30.0, 20.0",
        ),
        ([(0, -1, 50, 40, 60, 70)], "boxes that an image has twice (1): [50.0, 40.0, 60.0, 70.0] in 'i0'"),
        ([(0, 3, 53, 40, 63, 70)], "boxes that an image has twice (1)"),
        ([(1, 3, 53, 40, 63, 70)], None),
        ([(0, 3, 80, 40, 90, 70)], "second boxes of one person in an image (1): [80.0, 40.0, 90.0, 70.0] of person 3"),
        ([(0, 3, 80, 40, 80, 70)], "boxes x1, y1, x2, y2 without area"),
    ],
)
def test_boxes(more, expected):
    found = lines(check_boxes, split_of(GOOD + more))
    assert len(found) == (expected is not None)
    assert expected is None or found[0].startswith(f"train: {expected}")


def test_corners_are_suspected_with_and_without_the_images_sizes():
    # Read as x, y, w, h: the second corner is the sum.
    corners = [(i, i, x, y, x + x + 10, y + y + 20) for i, (x, y) in enumerate([(5, 9), (50, 35), (60, 20)] * 3)]
    for size in ((100, 80), (np.nan, np.nan)):
        (line,) = lines(check_boxes, split_of(corners, size=size))
        assert "100% of all: corners x1, y1, x2, y2 in place of x, y, w, h? (9)" in line
    (line,) = lines(check_boxes, split_of(GOOD + corners[1:3]))
    assert "boxes beyond the image, 18% of all: corners x1" in line


def test_identities_in_one_image():
    persons = [(0, 5, 0, 0, 9, 9), (1, 5, 0, 0, 9, 9), (1, 8, 0, 0, 9, 9), (1, 8, 20, 0, 29, 9), (0, -1, 0, 0, 5, 5)]
    assert lines(check_identities, split_of(persons)) == [
        "train: identities in a single image, which teach little (1): 8"
    ]


@pytest.mark.parametrize(
    ("query", "galleries", "expected"),
    [
        (Query("i0", [0, 0, 9, 9], 1, 1), AllImages(), None),
        (Query("i0", [0, 0, 9, 9], 1, 1), CrossCamera(), "queries whose person is nowhere in their gallery (1)"),
        (Query("i1", [0, 0, 9, 9], 1, 1), AllImages(), None),
        (Query("i2", [0, 0, 9, 9], 2, 2), AllImages(), "queries whose person is nowhere in their gallery (1)"),
        (Query("i0", [20, 0, 29, 9], 1, 1), AllImages(), "queries whose box overlaps no box of their person"),
        (Query("i0", [0, 0, 9, 3], 1, 1), AllImages(), "queries whose box overlaps no box of their person"),
        (Query("i2", [0, 0, 9, 9], 1, 2), AllImages(), "queries whose box overlaps no box of their person"),
        (Query("i0", [0, 0, 9, 9], 7, 1), AllImages(), "queries of a person who has no box in the split (1)"),
    ],
)
def test_queries(query, galleries, expected):
    persons = [(0, 1, 0, 0, 9, 9), (0, -1, 20, 0, 29, 9), (1, 1, 0, 0, 9, 9), (2, 2, 0, 0, 9, 9)]
    scenes = [
        SceneImage(f"i{i}", [p[2:] for p in persons if p[0] == i], [p[1] for p in persons if p[0] == i], camera)
        for i, camera in enumerate((1, 1, 2))
    ]
    found = lines(check_queries, split_of(persons, SearchProtocol(scenes, [query], galleries)))
    assert len(found) == (expected is not None)
    assert expected is None or found[0].startswith(f"train: {expected}")


def read(config):
    init_default_scope("mmpersonsearch")
    faults = Faults()
    splits = read_splits(config, "test", False, faults)
    for split in splits:
        if split.protocol is not None:
            check_queries(split, faults)
    return splits, faults


def test_a_person_absent_from_one_of_cuhks_galleries(tmp_path):
    absent = [(name, None) for name, _ in CUHK_QUERIES[1][3]]
    few = [CUHK_QUERIES[0], (*CUHK_QUERIES[1][:3], absent)]
    root = write_cuhk(tmp_path, galleries={50: few, 100: CUHK_QUERIES})
    _, faults = read(dict(type="CUHKSYSUDataset", data_root=str(root), split="test", gallery_sizes=(100, 50)))
    assert faults.lines(WARNING) == [
        "test: queries whose person is nowhere in their gallery of 50 images (1): query 1 of person 0"
    ]


def test_faulty_records_of_a_json_are_all_listed_and_the_others_read(tmp_path):
    images = [dict(id=i, file_name=f"{i}.jpg", width=100, height=80) for i in range(3)]
    good = dict(image_id=0, bbox=[1, 2, 3, 4], person_id=5)
    annotations = [
        good,
        {**good, "bbox": [1, 2]},
        {**good, "image_id": 1},
        {**good, "bbox": [1]},
        {"bbox": [0, 0, 1, 1]},
    ]
    queries = [good, {**good, "image_id": 9}]
    (tmp_path / "test.json").write_text(json.dumps(dict(images=[*images, {"id": 7}], annotations=annotations)))
    (tmp_path / "queries.json").write_text(json.dumps(dict(queries=queries)))
    config = dict(data_root=str(tmp_path), ann_file="test.json", query_file="queries.json")
    (split,), faults = read(dict(type="CocoPersonSearchDataset", **config))
    assert [line.rpartition(f"{tmp_path}/")[2] for line in faults.lines(ERROR)] == [
        "test.json, images[3] has no 'file_name': {'id': 7}",
        "test.json, annotations[1]: bbox [1, 2], expected [x, y, w, h]",
        "test.json, annotations[3]: bbox [1], expected [x, y, w, h]",
        "test.json, annotations[4] has no 'image_id': {'bbox': [0, 0, 1, 1]}",
        "queries.json, queries[1]: image_id 9 is not among the images of the annotations",
    ]
    assert faults.lines(WARNING) == []
    assert split.sizes.tolist() == [[100, 80]] * 3
    assert split.bboxes.tolist() == [[1, 2, 4, 6]] * 2


def test_many_faulty_records_of_a_kind_are_one_line(tmp_path):
    annotations = [dict(image_id=0, bbox=[i, 2, 3]) for i in range(1000)]
    (tmp_path / "a.json").write_text(json.dumps(dict(images=[dict(id=0, file_name="0.jpg")], annotations=annotations)))
    _, faults = read(dict(type="CocoPersonSearchDataset", data_root=str(tmp_path), ann_file="a.json"))
    (line,) = faults.lines(ERROR)
    assert line.endswith("annotations[0]: bbox [0, 2, 3], expected [x, y, w, h] (and 999 more of this kind)")


def test_joined_data_sets_are_read_one_by_one_and_unknown_ones_are_named(prw_root):
    prw = dict(type="PRWDataset", data_root=str(prw_root), split="train")
    joined = dict(type="ConcatDataset", datasets=[prw, dict(type="mmdet.CocoDataset", ann_file="no.json")])
    splits, faults = read(dict(type="RepeatDataset", times=2, dataset=joined))
    assert [len(split.img_ids) for split in splits] == [5]
    assert faults.lines(WARNING) == ["test: annotations of type 'mmdet.CocoDataset' are not checked"]
