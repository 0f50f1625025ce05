import copy
import struct
import zlib

import numpy as np
import pytest
from dataset_writers import CUHK_IMAGES, CUHK_QUERIES, write_cuhk
from scipy.io import loadmat, savemat

from mmpersonsearch.datasets import CUHKSYSUDataset
from mmpersonsearch.datasets.readers.cuhk_galleries import read_galleries


def entries(dataset):
    return [dataset.get_data_info(i) for i in range(len(dataset))]


def person_ids(dataset):
    return {entry["img_id"]: [i["person_id"] for i in entry["instances"]] for entry in entries(dataset)}


def reference_galleries(root, size):
    """A protocol through scipy, in plain Python: (idname, image, box, [(image, box or None), ...]) a query."""
    content = loadmat(root / f"annotation/test/train_test/TestG{size}.mat")[f"TestG{size}"]
    queries = []
    for item in content.ravel():
        query = item["Query"].ravel()[0]
        gallery = [(str(row["imname"][0]), row["idlocate"].ravel().tolist() or None) for row in item["Gallery"].ravel()]
        queries.append((query["idname"].item(), query["imname"].item(), query["idlocate"].ravel().tolist(), gallery))
    return queries


def xyxy(box):
    return [box[0], box[1], box[0] + box[2], box[1] + box[3]]


def test_training_split(cuhk_root):
    dataset = CUHKSYSUDataset(data_root=str(cuhk_root))
    assert dataset.metainfo["num_ids"] == 2
    # All images that are not in the pool; p9 comes before p10.
    assert person_ids(dataset) == {"s1.jpg": [1, -1], "s10.jpg": [-1, -1], "s2.jpg": [1, 0], "s3.jpg": [0]}
    for entry in entries(dataset):
        assert [i["bbox"] for i in entry["instances"]] == [xyxy(box) for box in CUHK_IMAGES[entry["img_id"]]]
        assert entry["camera_id"] is None


def test_test_split(cuhk_root):
    dataset = CUHKSYSUDataset(data_root=str(cuhk_root), split="test", gallery_sizes=(50, 100))
    # The queries' image is not in the pool and comes behind it. p4 comes before p31.
    assert person_ids(dataset) == {"s11.jpg": [1, -1], "s12.jpg": [0], "s13.jpg": [-1], "s10.jpg": [1, 0]}
    protocol = dataset.metainfo["search_protocol"]
    assert [(q.img_id, q.person_id) for q in protocol.queries] == [("s10.jpg", 1), ("s10.jpg", 0)]
    assert [entry["query_instances"]["query_ids"].tolist() for entry in entries(dataset)] == [[], [], [], [0, 1]]
    assert protocol.galleries.sizes == (50, 100)
    for first, second in protocol.galleries.lists.values():
        assert first.image_inds.tolist() == [0, 2, 1] and second.image_inds.tolist() == [1, 0]
        assert first.present.tolist() == second.present.tolist() == [0]
        assert first.bboxes.tolist() == [[90, 18, 116, 84]] and second.bboxes.tolist() == [[40, 20, 64, 80]]


def test_person_that_comes_late_in_its_gallery(tmp_path):
    queries = [("p1", "s10.jpg", (12, 16, 30, 72), [("s13.jpg", None), ("s11.jpg", (90, 18, 26, 66))])]
    root = write_cuhk(tmp_path, galleries={100: queries})
    protocol = CUHKSYSUDataset(data_root=str(root), split="test").metainfo["search_protocol"]
    assert protocol.galleries.lists[100][0].present.tolist() == [1]
    assert protocol.galleries.lists[100][0].bboxes.tolist() == [[90, 18, 116, 84]]
    assert protocol.images[0].person_ids.tolist() == [0, -1]


def test_gallery_image_outside_the_pool_is_tested_too(tmp_path):
    queries = [("p1", "s10.jpg", (12, 16, 30, 72), [("s3.jpg", None), ("s11.jpg", (90, 18, 26, 66))])]
    root = write_cuhk(tmp_path, galleries={100: queries})
    protocol = CUHKSYSUDataset(data_root=str(root), split="test").metainfo["search_protocol"]
    assert [image.img_id for image in protocol.images] == ["s11.jpg", "s12.jpg", "s13.jpg", "s10.jpg", "s3.jpg"]
    assert protocol.galleries.lists[100][0].image_inds.tolist() == [4, 0]


def test_image_without_persons(tmp_path):
    root = write_cuhk(tmp_path, images={**CUHK_IMAGES, "s4.jpg": [], "s14.jpg": [(5, 5, 0, 20)]})
    with pytest.warns(UserWarning, match="1 boxes without area"):
        dataset = CUHKSYSUDataset(data_root=str(root))
    assert person_ids(dataset)["s4.jpg"] == [] and person_ids(dataset)["s14.jpg"] == []


def test_labelled_person_without_box_is_said(tmp_path):
    queries = [("p1", "s10.jpg", (12, 16, 30, 72), [("s11.jpg", (91, 18, 26, 66))])]
    root = write_cuhk(tmp_path, galleries={100: queries})
    with pytest.warns(UserWarning, match=r"1 labelled persons.*\(91, 18, 26, 66\) in image 's11.jpg'"):
        CUHKSYSUDataset(data_root=str(root), split="test")


@pytest.mark.parametrize("compress", [True, False])
def test_galleries_are_those_that_scipy_reads(tmp_path, compress):
    rng = np.random.default_rng(0)
    images = {f"s{i}.jpg": [(2 * i, 3, 20, 30)] for i in (1, 9, 10, 99, 100, 12345)}
    images["a.b"] = [(7, 7, 30, 30)]  # so short that the file holds it within a tag
    queries = []
    for number in range(5):
        rows = [
            (name, images[name][0] if rng.random() < 0.3 else None)
            for name in rng.permutation(list(images))[: 3 + number]
        ]
        queries.append((f"p{number}", "s1.jpg", (2, 3, 20, 30), rows))
    root = write_cuhk(tmp_path, images=images, pool=list(images), train={}, galleries={50: queries}, compress=compress)
    names = list(images)
    path = root / "annotation/test/train_test/TestG50.mat"
    expected = reference_galleries(root, 50)
    records = list(read_galleries(path, "TestG50", names))
    assert len(records) == len(expected)
    for record, (idname, image, box, gallery) in zip(records, expected):
        assert (record.idname, record.image, record.xywh.tolist()) == (idname, image, box)
        assert [names[i] for i in record.gallery] == [name for name, _ in gallery]
        present = {int(i): xywh.tolist() for i, xywh in zip(record.present, record.true_xywh)}
        assert present == {i: place for i, (_, place) in enumerate(gallery) if place}


def test_whole_number_types_of_matlab(tmp_path):
    """MATLAB saves whole doubles as small integers; scipy writes what it is given."""
    queries = copy.deepcopy(CUHK_QUERIES)
    root = write_cuhk(tmp_path, galleries={100: queries})
    path = root / "annotation/test/train_test/TestG100.mat"
    content = loadmat(path)["TestG100"]
    for kind in (np.uint8, np.int16, np.uint16, np.int32, np.float32):
        for item in content.ravel():
            item["Query"][0, 0]["idlocate"] = item["Query"][0, 0]["idlocate"].astype(kind)
        savemat(path, {"other": np.ones(3), "TestG100": content})
        records = list(read_galleries(path, "TestG100", list(CUHK_IMAGES)))
        assert [r.xywh.tolist() for r in records] == [[12, 16, 30, 72], [70, 20, 28, 64]]


def element(kind, data):
    """A data element of MATLAB's level 5 format; up to four bytes go into the tag."""
    if 0 < len(data) <= 4:
        return struct.pack("<HH", kind, len(data)) + data.ljust(4, b"\0")
    return struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def matrix(mx_class, rows, columns, content, name=b""):
    header = element(6, struct.pack("<II", mx_class, 0)) + element(5, struct.pack("<ii", rows, columns))
    return element(14, header + element(1, name) + content)


def struct_matrix(fields, rows, name=b""):
    names = b"".join(field.encode().ljust(32, b"\0") for field in fields)
    content = element(5, struct.pack("<i", 32)) + element(1, names) + b"".join(item for row in rows for item in row)
    return matrix(2, 1, len(rows), content, name)


def test_file_as_matlab_writes_it(tmp_path):
    """Texts of 16 bits a letter, boxes as bytes within a tag, empty cells of no bytes at all."""

    def text(value):
        return matrix(4, 1, len(value), element(4, value.encode("utf-16-le")))

    def box(value):
        return element(14, b"") if value is None else matrix(6, 1, 4, element(2, bytes(value)))

    rows = []
    for idname, image, place, gallery in CUHK_QUERIES:
        query = struct_matrix(["idname", "imname", "idlocate"], [(text(idname), text(image), box(place))])
        images = [(text(name), box(place), element(14, b"")) for name, place in gallery]
        rows.append((struct_matrix(["imname", "idlocate", "ishard"], images), query))
    variables = [matrix(6, 1, 1, element(2, b"\7"), b"a"), struct_matrix(["Gallery", "Query"], rows, b"TestG50")]
    for compress in (False, True):
        body = [element(15, zlib.compress(v))[: 8 + len(zlib.compress(v))] if compress else v for v in variables]
        path = tmp_path / "TestG50.mat"
        path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + b"".join(body))
        names = list(CUHK_IMAGES)
        for record, (idname, image, place, gallery) in zip(
            read_galleries(path, "TestG50", names), CUHK_QUERIES, strict=True
        ):
            assert (record.idname, record.image, tuple(record.xywh)) == (idname, image, place)
            assert [names[i] for i in record.gallery] == [name for name, _ in gallery]
            present = {int(i): tuple(xywh) for i, xywh in zip(record.present, record.true_xywh)}
            assert present == {i: place for i, (_, place) in enumerate(gallery) if place}
        content = loadmat(path)["TestG50"].ravel()[0]
        assert content["Query"]["imname"].item().item() == "s10.jpg", "the file is not one that scipy reads"


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("annotation/Images.mat", "train"),
        ("annotation/pool.mat", "train"),
        ("annotation/test/train_test/Train.mat", "train"),
        ("annotation/test/train_test/TestG100.mat", "test"),
        ("Image/SSM", "train"),
    ],
)
def test_missing_file_is_named(cuhk_root, name, split):
    (cuhk_root / name).rename(cuhk_root / "elsewhere")
    with pytest.raises(FileNotFoundError, match=f"{cuhk_root / name} does not exist"):
        CUHKSYSUDataset(data_root=str(cuhk_root), split=split)


@pytest.mark.parametrize(
    ("name", "key", "split"),
    [
        ("annotation/Images.mat", "Img", "train"),
        ("annotation/pool.mat", "pool", "train"),
        ("annotation/test/train_test/Train.mat", "Train", "train"),
        ("annotation/test/train_test/TestG100.mat", "TestG100", "test"),
    ],
)
def test_wrong_key_is_named(cuhk_root, name, key, split):
    path = cuhk_root / name
    savemat(path, {"something": loadmat(path)[key]})
    with pytest.raises(ValueError, match=rf"{path}.* no variable {key}, only \['something'\]"):
        CUHKSYSUDataset(data_root=str(cuhk_root), split=split)


def test_wrong_fields_are_named(cuhk_root):
    path = cuhk_root / "annotation/test/train_test/TestG100.mat"
    content = loadmat(path)["TestG100"]
    renamed = content.astype([("Probe", object), ("Gallery", object)])
    savemat(path, {"TestG100": renamed})
    with pytest.raises(ValueError, match=r"TestG100.mat: TestG100 has no field 'Query', only \['Probe', 'Gallery'\]"):
        CUHKSYSUDataset(data_root=str(cuhk_root), split="test")
    path = cuhk_root / "annotation/Images.mat"
    renamed = loadmat(path)["Img"].astype([("imname", object), ("nAppear", object), ("boxes", object)])
    savemat(path, {"Img": renamed})
    with pytest.raises(ValueError, match=r"Images.mat, Img has no field 'box'"):
        CUHKSYSUDataset(data_root=str(cuhk_root))


@pytest.mark.parametrize("cut", [60, 300, -40])
def test_damaged_protocol_is_named(cuhk_root, cut):
    path = cuhk_root / "annotation/test/train_test/TestG100.mat"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError, match=r"TestG100.mat"):
        CUHKSYSUDataset(data_root=str(cuhk_root), split="test")


def test_unknown_images_are_named(tmp_path):
    box = (12, 16, 30, 72)
    galleries = {100: [CUHK_QUERIES[0], ("p1", "s10.jpg", box, [("s77.jpg", None)])]}
    root = write_cuhk(tmp_path / "a", galleries=galleries)
    with pytest.raises(ValueError, match=r"TestG100.mat, query 2: gallery image 's77.jpg' is not in Images.mat"):
        CUHKSYSUDataset(data_root=str(root), split="test")
    root = write_cuhk(tmp_path / "b", galleries={100: [("p1", "s78.jpg", box, [("s11.jpg", None)])]})
    with pytest.raises(ValueError, match=r"TestG100.mat: query image 's78.jpg' is not in Images.mat"):
        CUHKSYSUDataset(data_root=str(root), split="test")
    root = write_cuhk(tmp_path / "c", pool=["s11.jpg", "s79.jpg"])
    with pytest.raises(ValueError, match=r"pool.mat: image 's79.jpg' is not in Images.mat"):
        CUHKSYSUDataset(data_root=str(root))


def test_sizes_must_share_their_queries(tmp_path):
    root = write_cuhk(tmp_path, galleries={50: CUHK_QUERIES, 100: CUHK_QUERIES[::-1]})
    with pytest.raises(ValueError, match=r"TestG100.mat: its queries are not those of TestG50.mat"):
        CUHKSYSUDataset(data_root=str(root), split="test", gallery_sizes=(50, 100))
    with pytest.raises(ValueError, match="gallery_sizes is empty"):
        CUHKSYSUDataset(data_root=str(root), split="test", gallery_sizes=())


def test_real_sample(samples_root):
    root = samples_root / "cuhk_layout_sample"
    train = CUHKSYSUDataset(data_root=str(root))
    test = CUHKSYSUDataset(data_root=f"{root}/", split="test", gallery_sizes=(50, 100))
    # The numbers of the sample's README; boxes and identities are those of prw_sample.
    assert (len(train), train.metainfo["num_ids"], len(test)) == (6, 4, 10)
    assert sum(len(entry["instances"]) for entry in entries(train)) == 21
    assert sum(i["person_id"] >= 0 for entry in entries(train) for i in entry["instances"]) == 14
    assert sum(len(entry["instances"]) for entry in entries(test)) == 57
    protocol = test.metainfo["search_protocol"]
    assert len(protocol.queries) == 13 and {q.person_id for q in protocol.queries} == set(range(13))
    names = [image.img_id for image in protocol.images]
    for size in (50, 100):
        expected = reference_galleries(root, size)
        for query, listed, (_, image, box, gallery) in zip(
            protocol.queries, protocol.galleries.lists[size], expected, strict=True
        ):
            assert (query.img_id, query.bbox.tolist()) == (image, xyxy(box))
            assert [names[i] for i in listed.image_inds] == [name for name, _ in gallery]
            places = {i: xyxy(place) for i, (_, place) in enumerate(gallery) if place is not None}
            assert dict(zip(listed.present.tolist(), listed.bboxes.tolist())) == places


def test_real_sample_has_the_same_labels_in_every_size(samples_root):
    root = str(samples_root / "cuhk_layout_sample")
    labels = [person_ids(CUHKSYSUDataset(data_root=root, split="test", gallery_sizes=(n,))) for n in (50, 100)]
    assert labels[0] == labels[1]
    assert sum(label >= 0 for image in labels[0].values() for label in image) == 47
