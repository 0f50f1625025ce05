"""Exported networks: miniature ones that are written here, and the real ones where they are."""

import math

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.registry import init_default_scope

from mmpersonsearch.apis import build_model
from mmpersonsearch.models.exported_networks import ExportedReID, ExportedYOLOX
from mmpersonsearch.utils.errors import InputError
from projects.pets09.run import exported

onnxruntime = pytest.importorskip("onnxruntime", reason="exported networks need onnxruntime (extra onnx)")


@pytest.fixture(autouse=True)
def scope():
    init_default_scope("mmpersonsearch")


class Session:
    """What of an onnxruntime session is used, around a function of a (n, 3, h, w) array."""

    def __init__(self, function, shape, kind="tensor(float)"):
        self.function, self.shape, self.type, self.name, self.calls = function, shape, kind, "images", []

    def get_inputs(self):
        return [self]

    def get_outputs(self):
        return [self]

    def run(self, outputs, feed):
        self.calls.append(feed["images"])
        return [self.function(feed["images"])]


@pytest.fixture
def export(monkeypatch, tmp_path):
    """Make a file that opens as a session around a function."""

    def make(function, shape, kind="tensor(float)"):
        path, session = tmp_path / "network.onnx", Session(function, shape, kind)
        path.write_bytes(b"network")
        monkeypatch.setattr("mmpersonsearch.models.exported_networks._open_session", lambda path: session)
        return str(path), session

    return make


def rows_of(objects, height, width, classes=3):
    """YOLOX's undecoded rows that say: objects of (center x, y, width, height, objectness, class, class score)."""
    rows = np.zeros((sum((height // s) * (width // s) for s in (8, 16, 32)), 5 + classes), np.float32)
    start = 0
    for stride in (8, 16, 32):
        for x, y, w, h, objectness, label, score, own in objects:
            if own == stride:
                place = start + (y // stride) * (width // stride) + x // stride
                rows[place, :4] = [
                    (x % stride) / stride,
                    (y % stride) / stride,
                    math.log(w / stride),
                    math.log(h / stride),
                ]
                rows[place, 4], rows[place, 5 + label] = objectness, score
        start += (height // stride) * (width // stride)
    return rows


def sample_of(height, width, scale=1.0):
    shape = (round(height / scale), round(width / scale))
    return DetDataSample(metainfo=dict(img_shape=(height, width), ori_shape=shape, scale_factor=(scale, scale)))


OBJECTS = [
    (20, 30, 10, 24, 0.9, 0, 0.8, 8),
    (23, 30, 10, 24, 0.8, 0, 0.8, 16),  # overlaps the first
    (50, 20, 16, 8, 0.9, 2, 0.5, 32),  # of another class
    (40, 50, 10, 10, 0.5, 0, 0.4, 8),  # 0.2: too low
    (62, 10, 12, 16, 0.5, 0, 0.7, 8),  # reaches over the picture's edge
]


@pytest.mark.parametrize("decoded", [False, True])
@pytest.mark.parametrize("fixed", [True, False])
def test_yolox_rows_are_decoded(export, decoded, fixed):
    rows = rows_of(OBJECTS, 64, 96)
    if decoded:
        rows[:, :4] = 0
        for place, one in zip(np.nonzero(rows[:, 4])[0], sorted(OBJECTS, key=lambda o: (o[-1], o[1], o[0]))):
            rows[place, :4] = one[:4]
    path, session = export(lambda images: rows[None].repeat(len(images), 0), [1 if fixed else "n", 3, 64, 96])
    model = ExportedYOLOX(path, score_thr=0.25, iou_threshold=0.5, decoded=decoded)
    images = torch.full((2, 3, 60, 64), 7.0)
    first, second = model.predict(images, [sample_of(60, 64, 0.5), sample_of(60, 64, 0.5)])
    assert [call.shape for call in session.calls] == ([(1, 3, 64, 96)] * 2 if fixed else [(2, 3, 64, 96)])
    padded = session.calls[0][0]
    assert (padded[:, :60, :64] == 7).all() and (padded[:, 60:] == 114).all() and (padded[:, :, 64:] == 114).all()
    found = first.pred_instances
    order = found.scores.argsort(descending=True)
    np.testing.assert_allclose(found.scores[order], [0.72, 0.45, 0.35], atol=1e-6)
    assert found.labels[order].tolist() == [0, 2, 0]
    expected = [[15, 18, 25, 42], [42, 16, 58, 24], [56, 2, 64, 18]]
    np.testing.assert_allclose(found.bboxes[order], 2 * np.array(expected), atol=1e-3)
    assert torch.equal(second.pred_instances.bboxes, found.bboxes)
    (in_input,) = model.predict(images[:1], [sample_of(60, 64, 0.5)], rescale=False)
    np.testing.assert_allclose(2 * in_input.pred_instances.bboxes, found.bboxes)


def test_half_precision_and_nothing_found(export):
    path, session = export(lambda images: np.zeros((1, 84, 85), np.float16), ["n", 3, "h", "w"], "tensor(float16)")
    (found,) = ExportedYOLOX(path).predict(torch.zeros(1, 3, 64, 64), [sample_of(64, 64)])
    assert session.calls[0].dtype == np.float16
    assert found.pred_instances.bboxes.shape == (0, 4) and found.pred_instances.labels.shape == (0,)


def test_reid_batches_are_of_the_size_that_the_export_fixes(export):
    path, session = export(lambda crops: crops.mean((2, 3)), [4, 3, 8, 4])
    crops = torch.rand(6, 3, 8, 4)
    feats = ExportedReID(path)(crops)
    torch.testing.assert_close(feats, crops.mean((2, 3)))
    assert [call.shape for call in session.calls] == [(4, 3, 8, 4)] * 2


@pytest.mark.parametrize(
    ("kind", "shape", "function", "images", "message"),
    [
        (ExportedReID, ["n", 3, 8, 4], lambda x: x, (1, 3, 8, 4), r"shape \(1, 3, 8, 4\), expected \(N, D\)"),
        (ExportedReID, ["n", 3, 8, 4], None, (1, 3, 8, 8), r"takes images of \(8, 4\) \(height, width\), got \(8, 8\)"),
        (ExportedYOLOX, [1, 3, 64, 64], lambda x: x, (1, 3, 64, 64), r"expected YOLOX's \(N, A, 5 \+ C\)"),
        (ExportedYOLOX, [1, 3, 64, 64], lambda x: np.zeros((1, 9, 85), np.float32), (1, 3, 64, 64),
         r"9 anchors, expected 84 of strides \(8, 16, 32\) at 64 x 64"),
        (ExportedYOLOX, [1, 3, 64, 64], None, (1, 3, 80, 64), r"takes images of \(64, 64\) .*, got \(80"),
        (ExportedReID, ["n", 1, 8, 4], None, None, r"network\.onnx: inputs and .*expected one \(N, 3, h, w\)"),
    ],
)  # fmt: skip
def test_networks_of_another_form(export, kind, shape, function, images, message):
    path, _ = export(function, shape)
    with pytest.raises(InputError, match=message):
        run(kind(path), images)


def run(model, shape):
    images = torch.zeros(*shape)
    return model(images) if isinstance(model, ExportedReID) else model.predict(images, [sample_of(*shape[2:])])


def test_files_that_are_no_network(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.onnx does not exist"):
        ExportedReID("no.onnx")
    (tmp_path / "text.onnx").write_text("not a network")
    with pytest.raises(InputError, match=r"text\.onnx cannot be read as an ONNX network"):
        ExportedReID(str(tmp_path / "text.onnx"))
    with pytest.raises(InputError, match="ExportedReID has no path"):
        ExportedReID()(torch.zeros(1, 3, 4, 4))
    with pytest.raises(NotImplementedError, match="cannot be trained"):
        ExportedReID().loss()


def test_without_onnxruntime(tmp_path, monkeypatch):
    (tmp_path / "network.onnx").write_bytes(b"network")
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"needs onnxruntime: pip install 'mmpersonsearch\[onnx\]'"):
        ExportedReID(str(tmp_path / "network.onnx"))


def test_parts_of_the_wrong_kind():
    model = build_model("two-step_exported")
    with pytest.raises(InputError, match=r"a\.pth: expected an exported network \(\.onnx\), which ExportedYOLOX needs"):
        model.load_parts("a.pth", "b.onnx")
    model.reid = torch.nn.Identity()
    with pytest.raises(InputError, match=r"b\.onnx: expected a checkpoint \(\.pth\), which Identity needs"):
        model.load_parts("a.onnx", "b.onnx")


def test_real_networks_on_real_frames(samples_root):
    """A twentieth of the frames; all of them: projects/pets09/README.md."""
    root, weights = samples_root / "pets09_s2l1", samples_root / "weights"
    if not (root / "all.json").is_file() or not weights.is_dir():
        pytest.skip(f"no frames of PETS 2009 or no exported networks in {samples_root}")
    model = build_model("two-step_exported", cfg_options={"model.tiles": (2, 2)})
    model.load_parts(str(weights / "yolox_nano_coco.onnx"), str(weights / "osnet_x0_25_msmt17.onnx"))
    metrics = exported.measure(model, root, every=20)
    assert metrics["recall"] >= 0.90
    assert metrics["clear boxes"] == 192  # 12 of each of 16 tracks
    assert metrics["clear boxes: Re-ID rank-1"] >= 0.95 and metrics["clear boxes: Re-ID mAP"] >= 0.89
