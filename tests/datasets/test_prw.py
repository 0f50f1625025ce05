import re

import numpy as np
import pytest
from dataset_writers import PRW_TEST, PRW_TRAIN, write_prw
from mmengine.config import Config
from scipy.io import loadmat, savemat
from tiny_models import CONFIGS

from mmpersonsearch.datasets import PRWDataset
from mmpersonsearch.structures import AllImages, CrossCamera


def entries(dataset):
    return [dataset.get_data_info(i) for i in range(len(dataset))]


def reference_boxes(root, frame):
    """PRW's reader in plain Python: negative numbers to 0, then x + w, then the fraction off."""
    content = loadmat(root / "annotations" / f"{frame}.jpg.mat")
    key = next(key for key in ("box_new", "anno_file", "anno_previous") if key in content)
    rows = []
    for person, x, y, w, h in content[key].tolist():
        x, y, w, h = (max(number, 0) for number in (x, y, w, h))
        rows.append((-1 if person == -2 else int(person), [int(x), int(y), int(x + w), int(y + h)]))
    return rows


def test_training_identities_are_contiguous_in_the_order_of_prws_numbers(prw_root):
    dataset = PRWDataset(data_root=str(prw_root))
    assert dataset.metainfo["num_ids"] == 3
    assert dataset.metainfo["classes"] == ("person",)
    assert [entry["img_id"] for entry in entries(dataset)] == list(PRW_TRAIN)
    labels = {3: 0, 7: 1, 932: 2, -2: -1}
    for entry in entries(dataset):
        persons = PRW_TRAIN[entry["img_id"]]
        assert [i["person_id"] for i in entry["instances"]] == [labels[person] for person, *_ in persons]
        assert [i["bbox"] for i in entry["instances"]] == [[x, y, x + w, y + h] for _, x, y, w, h in persons]
        assert {i["bbox_label"] for i in entry["instances"]} <= {0}
    assert [entry["camera_id"] for entry in entries(dataset)] == [1, 2, 3, 1, 2]


def test_frames_without_persons_are_kept_unless_filtered(prw_root):
    assert len(PRWDataset(data_root=str(prw_root))) == 5
    assert len(PRWDataset(data_root=str(prw_root), filter_cfg=dict(filter_empty_gt=True))) == 4
    with pytest.raises(ValueError, match="min_size"):
        PRWDataset(data_root=str(prw_root), filter_cfg=dict(min_size=32))


def test_test_split_carries_truth_and_queries(prw_root):
    dataset = PRWDataset(data_root=str(prw_root), split="test")
    protocol = dataset.metainfo["search_protocol"]
    assert protocol.galleries == AllImages()
    assert [image.img_id for image in protocol.images] == list(PRW_TEST)
    assert [image.camera_id for image in protocol.images] == [1, 2, 1, 3]
    assert protocol.images[1].person_ids.tolist() == [11, -1]
    assert [(q.img_id, q.person_id, q.camera_id) for q in protocol.queries] == [
        ("c1s2_000010", 11, 1),
        ("c1s2_000010", 12, 1),
        ("c2s2_000011", 11, 2),
    ]
    queries = [entry["query_instances"] for entry in entries(dataset)]
    assert [q["query_ids"].tolist() for q in queries] == [[0, 1], [2], [], []]
    assert queries[0]["bboxes"].tolist() == [[12, 16, 42, 88], [70, 20, 98, 84]]
    assert [q["bboxes"].shape for q in queries] == [(2, 4), (1, 4), (0, 4), (0, 4)]
    assert queries[2]["bboxes"].dtype == np.float32 and queries[2]["query_ids"].dtype == np.int64


def test_cross_camera(prw_root):
    dataset = PRWDataset(data_root=str(prw_root), split="test", cross_camera=True)
    assert dataset.metainfo["search_protocol"].galleries == CrossCamera()


def test_boxes_are_read_as_public_readers_do(tmp_path):
    train = {"c1s1_000001": [(5, -3.7, 4.9, 20.6, 30.9), (-2, 10.6, -0.2, 15.5, 10.9), (6, -8, -8, 12, 12)]}
    root = write_prw(tmp_path, train=train)
    dataset = PRWDataset(data_root=str(root))
    boxes = [i["bbox"] for i in entries(dataset)[0]["instances"]]
    # -3.7 becomes 0 before the width is added; 4.9 + 30.9 = 35.8.
    assert boxes == [[0, 4, 20, 35], [10, 0, 26, 10], [0, 0, 12, 12]]
    assert boxes == [box for _, box in reference_boxes(root, "c1s1_000001")]


def test_query_boxes_are_read_like_the_truth(tmp_path):
    person = (5, -3.7, 4.9, 20.6, 30.9)
    root = write_prw(
        tmp_path,
        test={"c1s1_000001": [person], "c2s1_000002": [(5, 1, 2, 30, 40)]},
        queries=[(*person, "c1s1_000001")],
    )
    protocol = PRWDataset(data_root=str(root), split="test").metainfo["search_protocol"]
    assert protocol.queries[0].bbox.tolist() == protocol.images[0].bboxes[0].tolist() == [0, 4, 20, 35]


@pytest.mark.parametrize("key", ["box_new", "anno_file", "anno_previous"])
def test_box_keys(tmp_path, key):
    dataset = PRWDataset(data_root=str(write_prw(tmp_path, key=key)))
    assert sum(len(entry["instances"]) for entry in entries(dataset)) == 8


def test_box_new_is_preferred(prw_root):
    path = prw_root / "annotations" / "c1s1_000001.jpg.mat"
    savemat(path, {"anno_file": np.array([[1, 2, 3, 4, 5.0]]), "box_new": np.array([[932, 10, 20, 30, 40.0]])})
    instances = PRWDataset(data_root=str(prw_root)).get_data_info(0)["instances"]
    assert [i["bbox"] for i in instances] == [[10, 20, 40, 60]]


def test_boxes_without_area_are_dropped_in_one_warning(tmp_path):
    train = {
        "c1s1_000001": [(5, 10, 10, 0.4, 20), (6, 10, 10, 20, 20)],
        "c1s1_000002": [(5, 10, 10, 20, 0), (7, 1, 1, 9, 9)],
        "c1s1_000003": [(9, 10.2, 10, 0.9, 9)],
    }
    root = write_prw(tmp_path, train=train)
    with pytest.warns(UserWarning) as warned:
        dataset = PRWDataset(data_root=str(root))
    assert [str(w.message) for w in warned if "without area" in str(w.message)] == [
        f"PRWDataset train split in '{root}': 2 boxes without area skipped, the first in image 'c1s1_000001'"
    ]
    assert [len(entry["instances"]) for entry in entries(dataset)] == [1, 1, 1]
    # Identities are counted after that.
    assert dataset.metainfo["num_ids"] == 3


def test_repeated_identity_in_a_frame_is_kept_and_said(tmp_path):
    train = {"c1s1_000001": [(5, 10, 10, 20, 20), (5, 50, 10, 20, 20)]}
    with pytest.warns(UserWarning, match="1 images show an identity more than once.*c1s1_000001"):
        dataset = PRWDataset(data_root=str(write_prw(tmp_path, train=train)))
    assert [i["person_id"] for i in dataset.get_data_info(0)["instances"]] == [0, 0]


def test_empty_training_split_of_identities(tmp_path):
    with pytest.raises(ValueError, match=r"PRWDataset train split in .* annotations label nobody"):
        PRWDataset(data_root=str(write_prw(tmp_path, train={"c1s1_000001": [(-2, 1, 1, 9, 9)]})))


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("frames", "train"),
        ("annotations", "train"),
        ("frame_train.mat", "train"),
        ("frame_test.mat", "test"),
        ("query_info.txt", "test"),
        ("annotations/c1s1_000004.jpg.mat", "train"),
    ],
)
def test_missing_file_is_named(prw_root, name, split):
    (prw_root / name).rename(prw_root / "elsewhere")
    with pytest.raises(FileNotFoundError, match=re.escape(str(prw_root / name))):
        PRWDataset(data_root=str(prw_root), split=split)


def test_missing_root_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        PRWDataset(data_root=str(tmp_path / "nowhere"))


def test_wrong_key_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"c1s1_000001.jpg.mat has no variable box_new or anno_file.*'boxes'"):
        PRWDataset(data_root=str(write_prw(tmp_path, key="boxes")))


def test_damaged_mat_file_is_named(prw_root):
    path = prw_root / "annotations" / "c2s1_000002.jpg.mat"
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(ValueError, match=r"c2s1_000002.jpg.mat cannot be read"):
        PRWDataset(data_root=str(prw_root))


@pytest.mark.parametrize("rows", [np.ones((2, 4)), np.array([[1, 2, 3, np.nan, 5]]), np.array([[-5, 1, 1, 9, 9.0]])])
def test_wrong_rows_are_named(prw_root, rows):
    savemat(prw_root / "annotations" / "c2s1_000002.jpg.mat", {"box_new": rows})
    with pytest.raises(ValueError, match=r"c2s1_000002.jpg.mat: .*expected"):
        PRWDataset(data_root=str(prw_root))


def test_repeated_frame_is_named(prw_root):
    frames = np.empty((3, 1), dtype=object)
    frames[:, 0] = ["c1s1_000001", "c2s1_000002", "c1s1_000001"]
    savemat(prw_root / "frame_train.mat", {"img_index_train": frames})
    with pytest.raises(ValueError, match=r"frame_train.mat: image 'c1s1_000001' is listed 2 times"):
        PRWDataset(data_root=str(prw_root))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("11 12 16 30 72", "expected 'id x y w h frame'"),
        ("11 12 16 30 72 c1s2_000010 more", "expected 'id x y w h frame'"),
        ("person 12 16 30 72 c1s2_000010", "expected 'id x y w h frame'"),
        ("11 12 16 x 72 c1s2_000010", "expected 'id x y w h frame'"),
        ("11 12 16 nan 72 c1s2_000010", "expected 'id x y w h frame'"),
        ("-2 12 16 30 72 c1s2_000010", "expected 'id x y w h frame'"),
        ("11 12 16 0 72 c1s2_000010", "no area"),
        ("11 12 16 30 72 c1s1_000001", "frame 'c1s1_000001' is not among the test frames"),
    ],
)
def test_malformed_query_line_is_named(prw_root, line, message):
    path = prw_root / "query_info.txt"
    path.write_bytes(b"11 12 16 30 72 c1s2_000010\r\n" + line.encode() + b"\r\n")
    with pytest.raises(ValueError, match=re.escape(f"{path}, line 2: ") + ".*" + re.escape(message)):
        PRWDataset(data_root=str(prw_root), split="test")


def test_query_file_without_queries(prw_root):
    (prw_root / "query_info.txt").write_text("\r\n")
    with pytest.raises(ValueError, match=r"query_info.txt holds no queries"):
        PRWDataset(data_root=str(prw_root), split="test")


def test_other_query_file(prw_root, tmp_path):
    mini = tmp_path / "mini.txt"
    mini.write_text("12 70 20 28 64 c1s2_000010")
    dataset = PRWDataset(data_root=str(prw_root), split="test", query_file=str(mini))
    assert [q.person_id for q in dataset.metainfo["search_protocol"].queries] == [12]


def test_a_part_of_the_test_split_is_refused(prw_root):
    with pytest.raises(ValueError, match="indices"):
        PRWDataset(data_root=str(prw_root), split="test", indices=2)
    with pytest.raises(ValueError, match="split"):
        PRWDataset(data_root=str(prw_root), split="val")


def test_metainfo_does_not_copy_the_protocol(prw_root):
    dataset = PRWDataset(data_root=str(prw_root), split="test")
    assert dataset.metainfo["search_protocol"] is dataset.metainfo["search_protocol"]
    assert dataset.metainfo["palette"] is not dataset.metainfo["palette"]


@pytest.mark.parametrize("slash", ["", "/"])
def test_real_sample(samples_root, slash):
    root = samples_root / "prw_sample"
    train = PRWDataset(data_root=f"{root}{slash}")
    test = PRWDataset(data_root=f"{root}{slash}", split="test")
    assert (len(train), len(test)) == (6, 10)
    # The numbers of the sample's README.
    assert train.metainfo["num_ids"] == 4
    assert sum(len(entry["instances"]) for entry in entries(train)) == 21
    assert sum(i["person_id"] >= 0 for entry in entries(train) for i in entry["instances"]) == 14
    assert sum(len(entry["instances"]) for entry in entries(test)) == 57
    assert len({i["person_id"] for entry in entries(test) for i in entry["instances"]} - {-1}) == 13
    protocol = test.metainfo["search_protocol"]
    assert len(protocol.queries) == 18
    labels = {1: 0, 14: 1, 15: 2, 16: 3, -1: -1}
    for entry in entries(train):
        expected = [(labels[person], box) for person, box in reference_boxes(root, entry["img_id"])]
        assert [(i["person_id"], i["bbox"]) for i in entry["instances"]] == expected
    for entry, image in zip(entries(test), protocol.images):
        expected = reference_boxes(root, entry["img_id"])
        assert [(i["person_id"], i["bbox"]) for i in entry["instances"]] == expected
        assert list(zip(image.person_ids.tolist(), image.bboxes.tolist())) == expected
    # Every query is one of the persons of its frame.
    for query in protocol.queries:
        image = protocol.images[protocol.image_index[query.img_id]]
        assert (query.person_id, query.bbox.tolist()) in list(zip(image.person_ids, image.bboxes.tolist()))


def test_a_file_of_galleries(prw_root):
    (prw_root / "galleries.txt").write_text(
        "c3s2_000013 c2s2_000011.jpg\nc1s2_000012\n\nc1s2_000012 c1s2_000010 c3s2_000013\n"
    )
    dataset = PRWDataset(data_root=str(prw_root), split="test", gallery_file="galleries.txt")
    protocol = dataset.metainfo["search_protocol"]
    (lists,) = protocol.galleries.lists.values()
    assert protocol.galleries.sizes == (3,) and "galleries" in protocol.data
    assert [one.image_inds.tolist() for one in lists] == [[3, 1], [2], [2, 0, 3]]
    assert [one.present.tolist() for one in lists] == [[1], [0], [1]]
    assert [one.bboxes.tolist() for one in lists] == [[[90, 18, 116, 84]], [[40, 20, 64, 80]], [[12, 16, 42, 88]]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c2s2_000011\n", "has 1 lines, expected one for each of the 3 queries"),
        ("c2s2_000011\nc1s2_000010\nc1s2_000010\n", "line 2: frame 'c1s2_000010' is the query's own"),
        ("c2s2_000011\nc1s2_000012 c1s2_000012.jpg\nc1s2_000010\n", "line 2: frame 'c1s2_000012' is listed twice"),
        ("c2s2_000011\nnowhere\nc1s2_000010\n", "line 2: frame 'nowhere' is not among the test frames"),
    ],
)
def test_malformed_galleries_are_named(prw_root, text, message):
    (prw_root / "galleries.txt").write_text(text)
    with pytest.raises(ValueError, match=re.escape(message)):
        PRWDataset(data_root=str(prw_root), split="test", gallery_file="galleries.txt")


def test_galleries_by_file_and_by_camera_exclude_each_other(prw_root):
    with pytest.raises(ValueError, match="cross_camera and gallery_file"):
        PRWDataset(data_root=str(prw_root), split="test", gallery_file="galleries.txt", cross_camera=True)


def test_a_missing_file_of_prw_mini_tells_where_it_is(prw_root):
    with pytest.raises(FileNotFoundError, match=r"prwmini_query_info.txt does not exist.*github.com/munjalbharti"):
        PRWDataset(data_root=str(prw_root), split="test", query_file="prwmini_query_info.txt")


def test_prw_mini(samples_root, tmp_path, monkeypatch):
    """The real file of PRW-mini's queries, as the config reads it; its frames are not in the sample."""
    text = (samples_root / "prwmini_query_info.txt").read_text()
    frames = {line.split()[5] for line in text.split("\n") if line.strip()}
    root = write_prw(tmp_path / "prw", test={frame: [(1, 1, 1, 9, 9)] for frame in frames})
    (root / "prwmini_query_info.txt").write_text(text)
    monkeypatch.setenv("PRW_ROOT", str(root))
    config = Config.fromfile(CONFIGS / "_base_/datasets/prw_mini_900.py").test_dataloader.dataset
    assert config.pop("type") == "PRWDataset"
    protocol = PRWDataset(**{**config, "pipeline": []}).metainfo["search_protocol"]
    assert len(protocol.queries) == len({query.person_id for query in protocol.queries}) == 30
    assert {query.camera_id for query in protocol.queries} == {1, 2, 3, 4, 5, 6}
    assert protocol.galleries == AllImages()
    # 484 849.7009 619.8089 172.6134 440.8639 c2s1_159941
    assert protocol.queries[0].bbox.tolist() == [849, 619, 1022, 1060]
    for query, line in zip(protocol.queries, text.split("\n")):
        x, y, w, h = (int(float(number)) for number in line.split()[1:5])  # as the authors' reader
        difference = query.bbox - [x, y, x + w, y + h]
        assert ((difference >= 0) & (difference <= 1)).all()
