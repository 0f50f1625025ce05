import gzip
import json
import re
from pathlib import Path

import pytest
from dataset_writers import write_image
from mmengine.dataset import DefaultSampler

from mmpersonsearch.datasets import CocoPersonSearchDataset
from mmpersonsearch.datasets.checks import check_boxes, check_identities, read_splits
from mmpersonsearch.datasets.coco import convert_to_coco
from mmpersonsearch.datasets.crops import crop_persons
from mmpersonsearch.datasets.samplers import IdentityPairBatchSampler
from mmpersonsearch.structures import AllImages, CrossCamera
from mmpersonsearch.utils.faults import ERROR, WARNING, Faults

IMAGES = [
    dict(id=5, file_name="a.jpg", width=160, height=120, camera_id=1),
    dict(id=2, file_name="b.jpg", width=160, height=120),
    dict(id="x", file_name="c.jpg", width=160, height=120),
]
ANNOTATIONS = [
    dict(id=1, image_id=2, bbox=[10.5, 20, 30.25, 40], person_id=70, camera_id=3),
    dict(id=2, image_id=5, bbox=[1, 2, 30, 40], person_id=8),
    dict(id=3, image_id=5, bbox=[50, 2, 30, 40], person_id=None),
    dict(id=4, image_id=5, bbox=[90, 2, 30, 40]),
    dict(id=5, image_id=2, bbox=[60, 2, 30, 40], person_id=8),
]
QUERIES = [dict(image_id=5, bbox=[1, 2, 30, 40], person_id=8)]


@pytest.fixture
def build(tmp_path):
    """Writes a set and builds its dataset."""

    def build(images=IMAGES, annotations=ANNOTATIONS, queries=None, categories=None, **kwargs):
        for image in images:
            write_image(tmp_path / "img" / image.get("file_name", "none.jpg"))
        content = dict(images=images, annotations=annotations)
        content |= {} if categories is None else {"categories": categories}
        (tmp_path / "ann.json").write_text(json.dumps(content))
        if queries is not None:
            (tmp_path / "queries.json").write_text(json.dumps(dict(queries=queries)))
            kwargs["query_file"] = "queries.json"
        return CocoPersonSearchDataset(
            data_root=str(tmp_path), ann_file="ann.json", data_prefix=dict(img_path="img"), **kwargs
        )

    build.root = tmp_path
    return build


def test_training_split(build, tmp_path):
    dataset = build()
    assert dataset.split == "train" and dataset.metainfo["num_ids"] == 2
    first, second, third = (dataset.get_data_info(i) for i in range(3))
    assert first["img_path"] == str(tmp_path / "img" / "a.jpg")
    assert [i["person_id"] for i in first["instances"]] == [0, -1, -1]
    assert [i["person_id"] for i in second["instances"]] == [1, 0]
    assert second["instances"][0]["bbox"] == [10.5, 20, 40.75, 60]
    assert (first["camera_id"], second["camera_id"], third["camera_id"]) == (1, 3, None)
    assert third["img_id"] == "x" and third["instances"] == []


def test_test_split(build):
    dataset = build(queries=QUERIES)
    protocol = dataset.metainfo["search_protocol"]
    assert dataset.split == "test" and protocol.galleries == AllImages()
    assert [image.img_id for image in protocol.images] == [5, 2, "x"]
    assert protocol.images[1].person_ids.tolist() == [70, 8]
    query = protocol.queries[0]
    assert (query.img_id, query.bbox.tolist(), query.person_id, query.camera_id) == (5, [1, 2, 31, 42], 8, 1)
    assert dataset.get_data_info(0)["query_instances"]["query_ids"].tolist() == [0]


def test_the_class_is_the_metainfos(build):
    person, tattoo = build(queries=QUERIES), build(queries=QUERIES, metainfo=dict(classes=("tattoo",)))
    for dataset, name in ((person, "person"), (tattoo, "tattoo")):
        assert dataset.metainfo["classes"] == (name,)
        assert dataset.metainfo["search_protocol"].class_name == name
        assert {i["bbox_label"] for k in range(3) for i in dataset.get_data_info(k)["instances"]} == {0}
    for classes in ((), ("tattoo", "person"), "tattoo"):
        with pytest.raises(ValueError, match=r"metainfo\['classes'\] must name the one class"):
            build(metainfo=dict(classes=classes))


def test_annotations_of_other_categories_are_skipped(build):
    categories = [dict(id=3, name="person"), dict(id=7, name="tattoo"), dict(id=9, name="car")]
    annotations = [
        one | dict(category_id=7 if one["person_id"] == 8 else 9) for one in ANNOTATIONS if "person_id" in one
    ]
    dataset = build(annotations=annotations, categories=categories, metainfo=dict(classes=("tattoo",)))
    assert [len(dataset.get_data_info(i)["instances"]) for i in range(3)] == [1, 1, 0]
    assert dataset.metainfo["identities"] == [8]
    with pytest.raises(ValueError, match=r"names 'dog', but categories are \['car', 'person', 'tattoo'\]"):
        build(annotations=annotations, categories=categories, metainfo=dict(classes=("dog",)))
    with pytest.raises(ValueError, match=r"annotations\[0\] has no 'category_id'"):
        build(categories=categories)
    unknown = [dict(image_id=5, bbox=[1, 2, 30, 40], category_id=0)]
    with pytest.raises(ValueError, match=r"annotations\[0\]: category_id 0, but the categories' ids are \[3, 7, 9\]"):
        build(annotations=unknown, categories=categories)
    with pytest.raises(ValueError, match=r"categories\[0\] has no 'name'"):
        build(categories=[dict(id=3)])


def test_regions_to_ignore_are_no_persons(build):
    crowd = dict(image_id=5, bbox=[100, 2, 30, 40], iscrowd=1)
    entry = build(annotations=[*ANNOTATIONS, crowd]).get_data_info(0)
    assert [(i["ignore_flag"], i["person_id"]) for i in entry["instances"]] == [(0, 0), (0, -1), (0, -1), (1, -1)]
    protocol = build(annotations=[*ANNOTATIONS, crowd], queries=QUERIES).metainfo["search_protocol"]
    assert protocol.images[0].ignored_bboxes.tolist() == [[100, 2, 130, 42]] and len(protocol.images[0].bboxes) == 3
    with pytest.raises(ValueError, match=r"annotations\[0\]: iscrowd is 2"):
        build(annotations=[crowd | dict(iscrowd=2)])
    with pytest.raises(ValueError, match=r"annotations\[0\]: iscrowd 1 and person_id 4"):
        build(annotations=[crowd | dict(person_id=4)])


def test_regions_to_ignore_train_neither_detection_nor_identities(build):
    """They reach MMDetection's ignored_instances, apart from persons, and nothing that counts or draws persons."""
    crowd = dict(image_id=5, bbox=[100, 2, 30, 40], iscrowd=1)
    alone = dict(image_id="x", bbox=[100, 2, 30, 40], iscrowd=1)
    pipeline = [dict(type="LoadSceneImage"), dict(type="LoadPersonSearchAnnotations")]
    pipeline += [dict(type="mmdet.RandomFlip", prob=1.0), dict(type="PackPersonSearchInputs")]
    dataset = build(annotations=[crowd, *ANNOTATIONS, crowd | dict(bbox=[1, 1, 0, 5]), alone], pipeline=pipeline)
    # The image of a region alone would train as background.
    assert dataset.metainfo["num_ids"] == 2 and [dataset.get_data_info(i)["img_id"] for i in range(len(dataset))] == [
        5,
        2,
    ]
    sample = dataset[0]["data_samples"]
    assert sample.gt_instances.person_ids.tolist() == [0, -1, -1]
    assert sample.ignored_instances.bboxes.tensor.tolist() == [[30, 2, 60, 42]]  # flipped
    sampler = IdentityPairBatchSampler(DefaultSampler(dataset, shuffle=True, seed=0), 2)
    assert sorted(next(iter(sampler))) == [0, 1]
    empty = build(images=[*IMAGES, dict(id="y", file_name="y.jpg")], annotations=[*ANNOTATIONS, alone])
    assert [empty.get_data_info(i)["img_id"] for i in range(len(empty))] == [5, 2, "y"]


def test_regions_to_ignore_are_written_and_cut_nothing(build, tmp_path):
    crowd = dict(image_id=5, bbox=[100, 2, 30, 40], iscrowd=1)
    dataset = build(annotations=[*ANNOTATIONS, crowd])
    assert crop_persons(dataset, tmp_path / "crops", "train", (64, 32)) == 3
    convert_to_coco(dataset, tmp_path)
    again = json.loads((tmp_path / "train.json").read_text())["annotations"]
    assert [one.get("person_id") for one in again if one["iscrowd"]] == [None]
    assert [one["bbox"] for one in again if one["iscrowd"]] == [[100, 2, 30, 40]]


def test_regions_to_ignore_are_checked_as_boxes(build):
    crowd = dict(image_id=5, bbox=[100, 2, 300, 40], iscrowd=1)
    build(annotations=[*ANNOTATIONS, crowd])
    faults = Faults()
    (split,) = read_splits(
        dict(type="CocoPersonSearchDataset", data_root=str(build.root), ann_file="ann.json"), "train", True, faults
    )
    check_boxes(split, faults)
    (line,) = faults.lines(WARNING)
    assert "boxes beyond the image, 17% of all" in line and "[100.0, 2.0, 400.0, 42.0] in 5" in line


def test_nobody_labelled_is_an_error_that_names_what_was_seen(build):
    hidden = [dict(image_id=5, bbox=[1, 2, 30, 40], attributes=dict(person_id=5, color="red"))]
    with pytest.raises(
        ValueError, match=r"ann.json annotations label nobody.*look like identities: attributes.person_id$"
    ):
        build(annotations=hidden)


def test_nothing_left_is_an_error(build, tmp_path):
    (tmp_path / "img").mkdir()
    with pytest.raises(ValueError, match=r"ann.json: 'images' is empty"):
        build(images=[])
    with pytest.raises(ValueError, match=r"filter_empty_gt leaves none of 3 images of .*ann.json"):
        build(annotations=[], filter_cfg=dict(filter_empty_gt=True))
    for annotations in ([], [dict(image_id=image["id"], bbox=[1, 2, 30, 40], iscrowd=1) for image in IMAGES]):
        with pytest.raises(ValueError, match=r"nobody is annotated in any of 3 images of .*ann.json"):
            build(annotations=annotations)


def test_paths_of_windows_are_found_at_loading(build):
    with pytest.raises(ValueError, match=r"images\[0\]: file_name .* is a path of Windows.*'cam1/0001.jpg'"):
        build(images=[dict(id=5, file_name="cam1\\0001.jpg")], annotations=[])


def test_a_check_names_each_fault_once_and_goes_through_the_whole_file(build):
    images = [dict(id=5, file_name="cam1\\a.jpg"), *IMAGES[1:], IMAGES[1], dict(id=7, file_name="d.jpg")]
    cameras = [dict(image_id=7, bbox=[9 * i, 2, 5, 5], camera_id=i) for i in (1, 2)]
    build(images=IMAGES)
    (build.root / "ann.json").write_text(
        json.dumps(dict(images=images, annotations=[*ANNOTATIONS, *cameras, dict(image_id=2, bbox=[1, 2, 3])]))
    )
    faults = Faults()
    config = dict(type="CocoPersonSearchDataset", data_root=str(build.root), ann_file="ann.json")
    (split,) = read_splits(config, "train", True, faults)
    path = build.root / "ann.json"
    assert [line.removeprefix(f"train: {path}") for line in faults.lines(ERROR)] == [
        r", images[0]: file_name 'cam1\\a.jpg' is a path of Windows; write it with slashes, 'cam1/a.jpg'",
        ": image 2 is listed 2 times",
        ", annotations[7]: bbox [1, 2, 3], expected [x, y, w, h]",
        ": image 7 has several camera_id: [1, 2]",
    ]
    assert split.img_ids == [2, "x"]


def test_cross_camera_needs_cameras(build):
    protocol = build(images=IMAGES[:2], queries=QUERIES, cross_camera=True).metainfo["search_protocol"]
    assert protocol.galleries == CrossCamera()
    with pytest.raises(ValueError, match=r"ann.json: image 'x' has no camera_id"):
        build(queries=QUERIES, cross_camera=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(bbox=[1, 2, 3]), r"annotations\[0\]: bbox \[1, 2, 3\], expected \[x, y, w, h\]"),
        (dict(bbox=None), r"annotations\[0\]: bbox None"),
        (dict(person_id=-2), r"annotations\[0\]: person_id -2"),
        (dict(person_id="7"), r"annotations\[0\]: person_id '7'"),
        (dict(person_id=2**64), r"annotations\[0\]: person_id 18446744073709551616"),
        (dict(person_id=True), r"annotations\[0\]: person_id True"),
        (dict(bbox=["1", 2, 30, 40]), r"annotations\[0\]: bbox \['1', 2, 30, 40\]"),
        (dict(bbox=[1, 2, float("nan"), 40]), r"annotations\[0\]: bbox \[1, 2, nan, 40\]"),
        (dict(bbox=[1, 2, -30, 40]), r"annotations\[0\]: bbox \[1, 2, -30, 40\]"),
        (dict(bbox=[1, 2, 30, 10**400]), r"annotations\[0\]: bbox \[1, 2, 30, 10"),
        (dict(image_id=77), r"annotations\[0\]: image_id 77 is not among the images"),
        (dict(camera_id=9), r"image 5 has several camera_id: \[1, 9\]"),
    ],
)
def test_wrong_annotation_is_named(build, change, message):
    good = dict(image_id=5, bbox=[1, 2, 30, 40], person_id=8)
    with pytest.raises(ValueError, match=message):
        build(annotations=[good | change])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(bbox="here"), r"queries\[0\]: bbox 'here'"),
        (dict(bbox=[1, 2, 0, 40]), r"queries\[0\]: expected a person_id >= 0 and a box with an area"),
        (dict(person_id=-1), r"queries\[0\]: expected a person_id >= 0"),
        (dict(image_id=77), r"queries\[0\]: image_id 77 is not among the images"),
    ],
)
def test_wrong_query_is_named(build, change, message):
    with pytest.raises(ValueError, match=message):
        build(queries=[QUERIES[0] | change])


@pytest.mark.parametrize("key", ["id", "file_name"])
def test_missing_key_of_an_image(build, key):
    with pytest.raises(ValueError, match=rf"images\[1\] has no '{key}'"):
        build(images=[IMAGES[0], {k: v for k, v in IMAGES[1].items() if k != key}], annotations=[])


def test_wrong_files_are_named(build, tmp_path):
    build(queries=QUERIES)
    path = tmp_path / "queries.json"
    with pytest.raises(ValueError, match="holds no queries"):
        build(queries=[])
    path.write_text(json.dumps(dict(probes=[])))
    with pytest.raises(ValueError, match=re.escape(f"{path} has no list 'queries'")):
        build(query_file="queries.json")
    path.write_text("{")
    with pytest.raises(ValueError, match=re.escape(f"{path} is no json")):
        build(query_file="queries.json")
    with pytest.raises(FileNotFoundError, match=r"nothing.json does not exist"):
        build(query_file="nothing.json")
    with pytest.raises(ValueError, match="image 5 is listed 2 times"):
        build(images=[*IMAGES, IMAGES[0]])
    with pytest.raises(ValueError, match="ann_file"):
        CocoPersonSearchDataset(data_root=str(tmp_path))


@pytest.mark.parametrize(
    ("images", "annotations", "message"),
    [
        ([*IMAGES, IMAGES[0]], [], r"ann\.json: image 5 is listed 2 times"),
        ([*IMAGES, dict(id=6, file_name="./a.jpg")], [], r"images\[3\]: file_name './a.jpg' is also that of .* id 5"),
        (IMAGES, [*ANNOTATIONS, ANNOTATIONS[0]], r"annotations\[5\]: id 1 is also that of annotations\[0\]"),
        ([IMAGES[0] | dict(width="160")], [], r"images\[0\]: width '160', expected a number"),
        ([IMAGES[0] | dict(height=10**400)], [], r"images\[0\]: height 10+, expected a number"),
        ([IMAGES[0] | dict(id=5.0)], [], r"images\[0\]: id 5\.0, expected an integer or a text"),
        (IMAGES, [ANNOTATIONS[1] | dict(person_id=5.0)], r"annotations\[0\]: person_id 5\.0, expected an integer"),
        (IMAGES, [ANNOTATIONS[1] | dict(person_id="5.0")], r"annotations\[0\]: person_id '5\.0', expected an integer"),
        (IMAGES, [ANNOTATIONS[1] | dict(bbox=[1, 2, 30])], r"annotations\[0\]: bbox \[1, 2, 30\]"),
        (IMAGES, [ANNOTATIONS[1] | dict(ignore=2)], r"annotations\[0\]: ignore is 2"),
        (
            IMAGES,
            [ANNOTATIONS[0] | dict(category_id=1), ANNOTATIONS[1] | dict(category_id=3)],
            r"ann\.json: annotations have the category_id 1, 3, expected 'categories' that name them",
        ),
    ],
)
def test_what_is_twice_or_strange_is_named(build, images, annotations, message):
    with pytest.raises(ValueError, match=message):
        build(images=images, annotations=annotations)


@pytest.mark.parametrize(
    ("hidden", "seen"),
    [
        (dict(track_id=5), "track_id"),
        (dict(pid=5), "pid"),
        (dict(extra=dict(reid=dict(number=5))), "extra.reid"),
        (dict(attributes=dict(color="red", ID=5)), "attributes.ID"),
        (dict(attributes=[dict(name="color", value="red"), dict(name="person", value=5)]), "attributes.person"),
    ],
)
def test_identities_elsewhere_are_named_by_the_data_set_and_by_the_check(build, hidden, seen):
    annotations = [dict(id=1, image_id=5, bbox=[1, 2, 30, 40], person_id=-1, **hidden)]
    with pytest.raises(ValueError, match=rf"look like identities: {seen}$"):
        build(annotations=annotations)
    faults = Faults()
    config = dict(type="CocoPersonSearchDataset", data_root=str(build.root), ann_file="ann.json")
    for split in read_splits(config, "train", True, faults):
        check_identities(split, faults)
    assert faults.lines(ERROR) == [
        f"train: none of the 1 persons has an identity; keys that look like identities: {seen}"
    ]


def test_ignore_is_read_as_iscrowd_and_one_category_needs_no_name(build):
    region = dict(image_id=5, bbox=[100, 2, 30, 40], ignore=1, iscrowd=0, category_id=1)
    entry = build(annotations=[*(one | dict(category_id=1) for one in ANNOTATIONS), region]).get_data_info(0)
    assert [one["ignore_flag"] for one in entry["instances"]] == [0, 0, 0, 1]


def test_files_that_are_no_json_and_one_with_a_byte_order_mark(build):
    path, text = build.root / "ann.json", json.dumps(dict(images=IMAGES, annotations=ANNOTATIONS))
    config = dict(data_root=str(build.root), ann_file="ann.json", data_prefix=dict(img_path="."))
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert len(CocoPersonSearchDataset(**config)) == 3
    for content, message in (
        (gzip.compress(text.encode()), r"ann\.json seems to be compressed by gzip, expected a json with images and"),
        (b"", r"ann\.json is no json"),
        (text[:-9].encode(), r"ann\.json is no json"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            CocoPersonSearchDataset(**config)
    path.unlink()
    path.mkdir()
    with pytest.raises(ValueError, match=r"ann\.json is a folder, expected a json"):
        CocoPersonSearchDataset(**config)


def test_images_in_folders_anywhere_are_read_and_written_again_with_their_folders(build, tmp_path):
    names = ["cam1/0001.jpg", "./cam2/../cam2/0001.jpg", str(tmp_path / "img" / "cam3" / "0001.jpg")]
    for name in ("cam1", "cam2", "cam3"):
        write_image(tmp_path / "img" / name / "0001.jpg")
    images = [dict(id=i, file_name=name) for i, name in enumerate(names)]
    dataset = build(images=images, annotations=[dict(image_id=0, bbox=[1, 2, 30, 40], person_id=5)])
    assert all(Path(dataset.img_path(i)).is_file() for i in range(3))
    convert_to_coco(dataset, tmp_path)
    written = [one["file_name"] for one in json.loads((tmp_path / "train.json").read_text())["images"]]
    assert written == [f"cam{i}/0001.jpg" for i in (1, 2, 3)]
