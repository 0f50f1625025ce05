"""Files of strangers: nothing in them is executed, memory stays bounded, and the error names the file."""

import gzip
import io
import json
import math
import os
import pickle
import resource
import struct
import warnings
import zlib
from functools import cache

import numpy as np
import pytest
import torch
from dataset_writers import write_cuhk, write_prw
from scipy.io import savemat
from scipy.sparse import eye
from tiny_trainings import fork, size_of_process, wait

from mmpersonsearch.apis.calibration import find_calibration
from mmpersonsearch.cli.plot_training import read_log
from mmpersonsearch.datasets import CocoPersonSearchDataset, CUHKSYSUDataset, PRWDataset
from mmpersonsearch.datasets.crops import crop_persons
from mmpersonsearch.datasets.posetrack21 import convert_posetrack21
from mmpersonsearch.datasets.readers.mat_files import load_variable
from mmpersonsearch.evaluation.predictions import read_pair_predictions, read_predictions
from mmpersonsearch.evaluation.provenance import read_result
from mmpersonsearch.registry import TRANSFORMS
from mmpersonsearch.utils.checkpoint import load_checkpoint_file
from mmpersonsearch.utils.config_files import read_config_file
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.scene_files import names_below, open_scene, scene_size

DEEP = "[" * 10**6
MANY = 10**12


class Touch:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.fixture(scope="module")
def prw(tmp_path_factory):
    return PRWDataset(str(write_prw(tmp_path_factory.mktemp("prw"))), split="test")


@pytest.fixture
def protocol(prw):
    return prw.metainfo["search_protocol"]


def read_all_json(path):
    """Each reader of json, as (name, function)."""
    name = str(path)
    yield "images", lambda: CocoPersonSearchDataset(ann_file=name)
    yield "result", lambda: read_result(path)
    yield "log", lambda: read_log(path)
    yield "config", lambda: read_config_file(name)


@pytest.mark.parametrize(
    "text",
    [
        DEEP,
        '{"images": ' + DEEP,
        '{"a":' * 10**5,
        '{"images": [' + "9" * 5000 + "]}",
        "\0" * 100,
        "\ud800".encode("utf-8", "surrogatepass"),
        gzip.compress(b"{}", mtime=0),
        "null",
    ],
    ids=str.split("deep deeper objects number zeros surrogate gzip null"),
)
def test_json_that_is_none(text, tmp_path):
    path = tmp_path / "file.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    for name, read in read_all_json(path):
        with pytest.raises(InputError) as error:
            read()
        assert str(path) in str(error.value) and len(str(error.value)) < 1000, name


def test_a_calibration_that_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "mmpersonsearch").mkdir()
    for text in (DEEP, "[1]", '{"a": 1}', "\0"):
        (tmp_path / "mmpersonsearch/x.json").write_text(text)
        with pytest.raises(InputError, match=r"x\.json is no"):
            find_calibration("x")


IMAGE = dict(id=1, file_name="a.jpg")
BOX = dict(image_id=1, bbox=[1, 2, 3, 4], person_id=1)


def nest(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("images", "annotations"),
    [
        ([IMAGE], [BOX | dict(bbox=[1, 2, 3, math.nan])]),
        ([IMAGE], [BOX | dict(bbox=[1, 2, 3, 10**400])]),
        ([IMAGE], [BOX | dict(bbox=[1, 2, 3, math.inf])]),
        ([IMAGE], [BOX | dict(bbox=[0] * 10**5)]),
        ([IMAGE], [BOX | dict(person_id=2**63)]),
        ([IMAGE], [BOX | dict(person_id=1e300)]),
        ([IMAGE], [BOX | dict(image_id=[])]),
        ([IMAGE], [nest(900)]),
        ([IMAGE | dict(id={})], [BOX]),
        ([IMAGE | dict(file_name=7)], [BOX]),
        ([IMAGE | dict(file_name="a\0b")], [BOX]),
        ([IMAGE | dict(width=math.nan)], [BOX]),
        ([IMAGE, None], [BOX]),
        ([IMAGE], [BOX | dict(person_id=-1, attributes=nest(900))]),
    ],
)
def test_annotations_that_make_no_sense(images, annotations, tmp_path):
    path = tmp_path / "file.json"
    path.write_text(json.dumps(dict(images=images, annotations=annotations)))
    with pytest.raises(InputError, match=r"file\.json"):
        CocoPersonSearchDataset(ann_file=str(path))


def test_pickles_run_nothing(protocol, tmp_path):
    path, touched = tmp_path / "file.pkl", tmp_path / "touched"
    good = dict(images={scene.img_id: {} for scene in protocol.images}, provenance={})
    for content in (Touch(touched), dict(good, provenance=Touch(touched)), dict(good, images=[Touch(touched)])):
        path.write_bytes(pickle.dumps(content))
        for read in (read_predictions, read_pair_predictions):
            with pytest.raises(InputError, match=r"file\.pkl"):
                read(path, protocol)
        torch.save(content, tmp_path / "file.pth")
        with pytest.raises(InputError, match=r"file\.pth"):
            load_checkpoint_file(str(tmp_path / "file.pth"))
    assert not touched.exists()


class Huge:
    """Pickles of arrays that ask for terabytes."""

    def __init__(self, function, *args):
        self.reduced = function, args

    def __reduce__(self):
        return self.reduced


class HugeArray(np.ndarray):
    def __reduce__(self):
        return np.zeros(1).__reduce__()[0], (np.ndarray, (MANY,), b"b"), (1, (MANY,), np.dtype("f8"), False, b"")


HUGE = [
    Huge(np.ndarray, (MANY,)),
    Huge(np.dtype, "V2000000000"),
    Huge(np.zeros(1).__reduce__()[0], np.ndarray, (MANY,), b"b"),
    np.zeros(1).view(HugeArray),
]


@pytest.mark.parametrize("value", HUGE)
def test_arrays_without_their_numbers(value, protocol, tmp_path):
    found = dict(bboxes=value, scores=np.zeros(0), reid_feats=np.zeros((0, 2)))
    content = dict(images={scene.img_id: found for scene in protocol.images}, provenance={})
    (tmp_path / "file.pkl").write_bytes(pickle.dumps(content, protocol=4))
    with pytest.raises(InputError, match=r"file\.pkl"):
        read_predictions(tmp_path / "file.pkl", protocol)


FOUND = dict(bboxes=np.zeros((1, 4)), scores=np.ones(1), reid_feats=np.ones((1, 2)))


@pytest.mark.parametrize(
    "change",
    [
        dict(bboxes=[["a", "b", "c", "d"]]),
        dict(scores=None),
        dict(reid_feats={}),
        dict(query_ids=[[0]], query_feats=np.ones((1, 2))),
        dict(query_ids=[math.nan], query_feats=np.ones((1, 2))),
        dict(query_ids=[0, 1], query_feats=[np.ones(2), np.ones(3)]),
        dict(query_ids=7),
    ],
)
def test_predictions_that_make_no_sense(change, protocol, tmp_path):
    images = {scene.img_id: FOUND | change for scene in protocol.images}
    for content in (dict(images=images, provenance={}), dict(images=list(images), provenance=[])):
        (tmp_path / "file.pkl").write_bytes(pickle.dumps(content, protocol=4))
        with pytest.raises(InputError, match=r"file\.pkl"):
            read_predictions(tmp_path / "file.pkl", protocol)


@pytest.mark.parametrize(
    "content",
    [
        dict(queries=7, img_ids=[]),
        dict(queries=[{}] * 3, img_ids=[[]]),
        dict(queries=[dict(image_inds=["a"])] * 3),
        dict(queries=[{key: [99] for key in ("image_inds", "counts", "bboxes", "scores", "similarities")}] * 3),
    ],
)
def test_pair_predictions_that_make_no_sense(content, protocol, tmp_path):
    content = dict(img_ids=[scene.img_id for scene in protocol.images], provenance={}) | content
    (tmp_path / "file.pkl").write_bytes(pickle.dumps(content, protocol=4))
    with pytest.raises(InputError, match=r"file\.pkl"):
        read_pair_predictions(tmp_path / "file.pkl", protocol)


def mat_header():
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"


def lying_mat(rows):
    """A matrix x of rows x 1 numbers, without them."""
    flags = struct.pack("<IIII", 6, 8, 6, 0)
    dims, name = struct.pack("<IIii", 5, 8, rows, 1), struct.pack("<II", (1 << 16) | 1, ord("x"))
    numbers = struct.pack("<II", 9, min(8 * rows, 2**32 - 8))
    body = flags + dims + name + numbers
    return mat_header() + struct.pack("<II", 14, len(body)) + body


@cache
def bomb_mat():
    """300 MiB of zeros, compressed a thousandfold."""
    packer = zlib.compressobj()
    packed = packer.compress(struct.pack("<II", 14, 300 << 20))
    packed += b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()
    return mat_header() + struct.pack("<II", 15, len(packed)) + packed


@pytest.mark.parametrize("content", [lying_mat(2**31 - 1), lying_mat(10**8), bomb_mat(), mat_header(), b"", b"x" * 300])
def test_mat_files_whose_sizes_lie(content, tmp_path):
    path = tmp_path / "file.mat"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"file\.mat"):
        load_variable(path, "x")


@pytest.mark.parametrize(
    "value",
    [
        np.array([[{"a": 1}, "b"]], dtype=object),
        np.array("text"),
        eye(5).tocsc(),
        np.array([[1 + 2j] * 5]),
        np.full((1, 5), np.nan),
        np.full((1, 5), 1e300),
        np.zeros((2, 2, 5)),
        dict(a=1),
    ],
)
def test_mat_files_of_other_things(value, tmp_path):
    root = write_prw(tmp_path / "prw")
    path = root / "annotations/c1s1_000001.jpg.mat"
    savemat(path, dict(box_new=value))
    with pytest.raises(InputError, match=r"c1s1_000001\.jpg\.mat"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        PRWDataset(str(root))
    cuhk = write_cuhk(tmp_path / "cuhk")
    for name, key in dict(Images="Img", pool="pool").items():
        path = cuhk / f"annotation/{name}.mat"
        before = path.read_bytes()
        savemat(path, {key: value})
        with pytest.raises(InputError, match=r"annotation"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            CUHKSYSUDataset(str(cuhk))
        path.write_bytes(before)


def limited(function, size):
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    function()


def test_memory_is_bounded(protocol, tmp_path):
    """All of them in a process that may take one GiB more than it has."""
    (tmp_path / "bomb.mat").write_bytes(bomb_mat())
    (tmp_path / "lying.mat").write_bytes(lying_mat(2**31 - 1))
    (tmp_path / "deep.json").write_text(DEEP)
    for i, value in enumerate(HUGE):
        found = dict(bboxes=value, scores=np.zeros(0), reid_feats=np.zeros((0, 2)))
        content = dict(images={scene.img_id: found for scene in protocol.images}, provenance={})
        (tmp_path / f"{i}.pkl").write_bytes(pickle.dumps(content, protocol=4))

    def read():
        reads = [lambda path=path: load_variable(path, "x") for path in tmp_path.glob("*.mat")]
        reads += [lambda path=path: read_predictions(path, protocol) for path in tmp_path.glob("*.pkl")]
        reads += [lambda: CocoPersonSearchDataset(ann_file=str(tmp_path / "deep.json"))]
        for one in reads:
            with pytest.raises(InputError):
                one()

    log = tmp_path / "log"
    assert wait(fork(limited, read, size_of_process() + (1 << 30), log=log)) == 0, log.read_text()


def test_names_that_lead_elsewhere_are_read_but_not_written(tmp_path):
    """Crops have numbers as names, pictures names below their common folder."""
    (tmp_path / "data").mkdir()
    open_scene_of = write_prw(tmp_path / "prw") / "frames/c1s1_000001.jpg"
    names = ["../prw/frames/c1s1_000001.jpg", str(open_scene_of.with_name("c2s1_000002.jpg"))]
    images = [dict(id=i, file_name=name) for i, name in enumerate(names)]
    annotations = [dict(image_id=i, bbox=[10, 10, 30, 60], person_id=i) for i in range(2)]
    (tmp_path / "data/a.json").write_text(json.dumps(dict(images=images, annotations=annotations)))
    before = {path for path in tmp_path.rglob("*") if "out" not in path.parts}
    dataset = CocoPersonSearchDataset(str(tmp_path / "data"), ann_file="a.json")
    crop_persons(dataset, tmp_path / "out", "train", (32, 16))
    assert {path for path in tmp_path.rglob("*") if "out" not in path.parts} == before
    paths = ["/a/b/../../etc/passwd", "/a/c.jpg", "../../x.jpg"]
    for name in names_below(paths).values():
        assert not os.path.isabs(name) and ".." not in name.split("/")


def test_images_that_are_devices_or_text(tmp_path):
    """/dev/zero never ends, and a pipe waits for ever."""
    os.mkfifo(tmp_path / "pipe.jpg")
    load = TRANSFORMS.build(dict(type="LoadSceneImage"))
    for path in ("/dev/zero", "/etc/passwd", str(tmp_path), str(tmp_path / "pipe.jpg"), f"{tmp_path}/a\0b.jpg"):
        for read in (open_scene, scene_size, lambda path: load(dict(img_path=path))):
            with pytest.raises((InputError, FileNotFoundError), match=path):
                read(path)


def test_posetrack_names_that_lead_elsewhere(tmp_path):
    folder = tmp_path / "posetrack_person_search"
    folder.mkdir()
    for name in ("/etc/passwd", "../../../../../../etc/passwd"):
        content = dict(images=[dict(id=1, file_name=name)], annotations=[BOX])
        (folder / "train.json").write_text(json.dumps(content))
        with pytest.raises((InputError, FileNotFoundError), match="passwd"):
            convert_posetrack21(tmp_path, "train", tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_checkpoints_cut_anywhere(tmp_path):
    content = io.BytesIO()
    torch.save(dict(state_dict=dict(a=torch.ones(100))), content)
    whole = content.getvalue()
    for size in range(0, len(whole) - 1, 97):
        (tmp_path / "cut.pth").write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"cut\.pth"):
            load_checkpoint_file(str(tmp_path / "cut.pth"))
