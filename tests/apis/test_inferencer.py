import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from painted_persons import COLORS, make_searcher, paint, paint_array, write_video
from tiny_models import SYNTH

from mmpersonsearch.apis import PersonSearchInferencer
from mmpersonsearch.apis.model import fingerprint
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.media import list_items


@pytest.fixture
def searcher(monkeypatch, tmp_path):
    return make_searcher(monkeypatch, tmp_path / "weights")


@pytest.fixture
def archive(tmp_path):
    """Two pictures of one name in two folders, and what is no picture."""
    root = tmp_path / "archive"
    paint(root / "a/1.png", red=(10, 10, 20, 40), blue=(40, 5, 52, 35))
    paint(root / "b/1.png", (80, 48), blue=(30, 5, 42, 35))
    (root / "notes.txt").write_text("no picture")
    return root


def unit(color):
    """The embedding of a painted person: its colour."""
    return np.array(COLORS[color]) / np.linalg.norm(COLORS[color])


def test_a_folder_in_batches_is_what_its_pictures_are_one_by_one(searcher, archive):
    together = searcher(str(archive), batch_size=2)["predictions"]
    alone = [searcher(str(archive / name))["predictions"][0] for name in ("a/1.png", "b/1.png")]
    assert [len(one["bboxes"]) for one in together] == [2, 1]
    for one, other in zip(together, alone):
        for key in ("bboxes", "scores", "labels", "reid_feats"):
            np.testing.assert_allclose(one[key], other[key], atol=1e-5)
    boxes, feats = np.array(together[0]["bboxes"]), np.array(together[0]["reid_feats"])
    order = boxes[:, 0].argsort()
    np.testing.assert_allclose(boxes[order], [[10, 10, 20, 40], [40, 5, 52, 35]], atol=1e-4)
    np.testing.assert_allclose(feats[order], [unit("red"), unit("blue")], atol=0.02)


def test_paths_arrays_and_lists_of_them(searcher, archive):
    array = paint_array((80, 48), blue=(30, 5, 42, 35))[..., ::-1]  # BGR, as MMDetection's
    samples = searcher([archive / "b/1.png", array], return_datasamples=True)["predictions"]
    assert torch.equal(samples[0].pred_instances.bboxes, samples[1].pred_instances.bboxes)
    torch.testing.assert_close(samples[0].pred_instances.reid_feats, samples[1].pred_instances.reid_feats)
    assert samples[0].img_path == str(archive / "b/1.png")


def test_its_visualizer_is_not_a_later_runners(searcher):
    assert searcher.visualizer.instance_name != "visualizer"  # of the configs


def test_files_of_one_name_do_not_overwrite_each_other(searcher, archive, tmp_path):
    searcher(archive, out_dir=str(tmp_path / "out"), no_save_pred=False)
    names = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*"))
    assert names == ["preds/a/1.png.json", "preds/b/1.png.json", "vis/a/1.png", "vis/b/1.png"]
    written = json.loads((tmp_path / "out/preds/a/1.png.json").read_text())
    assert len(written["reid_feats"]) == 2
    drawn = cv2.imread(str(tmp_path / "out/vis/a/1.png"))
    assert drawn.shape[:2] == (64, 96) and (drawn != paint_array(red=(10, 10, 20, 40))[..., ::-1]).any()


def test_frames_of_a_video_by_time(searcher, tmp_path):
    path = write_video(tmp_path / "walk.avi")
    searcher.fps = 1.0
    samples = searcher(path, return_datasamples=True)["predictions"]
    lefts = [sample.pred_instances.bboxes[0, 0].item() for sample in samples]
    assert lefts == pytest.approx([10, 14, 18], abs=1.1)


def test_what_cannot_be_read_is_named(searcher, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "broken.avi").write_bytes(b"no video")
    with pytest.raises(InputError, match=r"broken\.jpg cannot be decoded as an image"):
        searcher(tmp_path / "broken.jpg")
    with pytest.raises(InputError, match=r"broken\.avi cannot be read as a video"):
        searcher(str(tmp_path / "broken.avi"))
    with pytest.raises(FileNotFoundError, match=r"nobody\.png does not exist"):
        searcher("nobody.png")
    with pytest.raises(InputError, match=r"expected an image \(h, w, 3\) in BGR, got shape \(3, 4\)"):
        searcher(np.zeros((3, 4), np.uint8))
    with pytest.raises(InputError, match="fps: expected a number above 0, got 0"):
        list_items(write_video(tmp_path / "walk.avi", 2), 0)


def test_a_query_is_its_box_the_only_person_or_the_picked_one(searcher, archive):
    both, one = str(archive / "a/1.png"), str(archive / "b/1.png")
    np.testing.assert_allclose(searcher.embed(one).feats, unit("blue"), atol=0.02)
    np.testing.assert_allclose(searcher.embed(both, bbox=(10, 10, 20, 40)).feats, unit("red"), atol=0.02)
    np.testing.assert_allclose(searcher.embed(both, pick=2).feats, unit("blue"), atol=0.02)
    np.testing.assert_allclose(searcher.embed(both, pick=2).bboxes, [[40, 5, 52, 35]], atol=1e-3)
    listed = r"1: \(10, 10, 20, 40\); 2: \(40, 5, 52, 35\)"
    with pytest.raises(InputError, match=rf"1\.png: 2 persons, expected a box or pick, .*{listed}"):
        searcher.embed(both)
    with pytest.raises(InputError, match=rf"1\.png: pick 3, of these .*{listed}"):
        searcher.embed(both, pick=3)
    with pytest.raises(InputError, match="nobody was detected, expected a box"):
        searcher.embed(np.zeros((40, 40, 3), np.uint8))


def test_several_pictures_of_one_person_are_averaged(searcher, archive):
    both = str(archive / "a/1.png")
    query = searcher.embed([both, both], bbox=[(10, 10, 20, 40), (40, 5, 52, 35)])
    mean = unit("red") + unit("blue")
    np.testing.assert_allclose(query.feats, mean / np.linalg.norm(mean), atol=0.02)
    assert query.bboxes.shape == (2, 4) and [len(scene.scores) for scene in query.scenes] == [2, 2]
    with pytest.raises(InputError, match="2 pictures and 1 boxes, expected one each"):
        searcher.embed([both, both], bbox=[(10, 10, 20, 40)])
    np.testing.assert_allclose(searcher.embed([both, both], pick=[1, 2]).feats, query.feats, atol=1e-5)
    with pytest.raises(InputError, match="2 pictures and 1 numbers to pick, expected one each"):
        searcher.embed([both, both], pick=[1])


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((1, 2, 3), "expected x1 y1 x2 y2"),
        ((5, 5, 5, 9), "expected x1 y1 x2 y2 in pixels, x1 < x2"),
        ((5, float("nan"), 9, 9), "expected x1 y1 x2 y2"),
        ((200, 5, 210, 9), r"is outside .*1\.png, which is 96 x 64"),
    ],
)
def test_boxes_that_are_none(searcher, archive, box, message):
    with pytest.raises(InputError, match=message):
        searcher.embed(str(archive / "a/1.png"), bbox=box)


def test_a_trained_model_by_its_checkpoint_alone(tmp_path):
    """The checkpoint of a training has its config."""
    config = Config.fromfile(SYNTH / "oim/oim_r18_synth.py")
    config.model.test_cfg.rcnn.update(score_thr=0.0, max_per_img=3)
    model = MODELS.build(config.model)
    torch.save(dict(state_dict=model.state_dict(), meta=dict(cfg=config.pretty_text)), tmp_path / "trained.pth")
    options = dict(weights=str(tmp_path / "trained.pth"), device="cpu", show_progress=False)
    picky = PersonSearchInferencer(**options, cfg_options={"model.test_cfg.rcnn.max_per_img": 2})
    assert picky.model.test_cfg.rcnn.max_per_img == 2
    searcher = PersonSearchInferencer(**options)
    picture = np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8)
    (sample,) = searcher(picture, return_datasamples=True)["predictions"]
    feats = sample.pred_instances.reid_feats
    assert len(feats) == 3 and searcher.width == feats.shape[1] == 256
    query = searcher.embed(picture, bbox=(10, 10, 40, 90), score_thr=0.0)
    assert len(query.scenes[0].scores) == 3 and query.feats.norm() == pytest.approx(1)
    assert searcher.fingerprint == fingerprint(model, config)
    config.model.test_cfg.rcnn.score_thr = 0.1
    assert searcher.fingerprint != fingerprint(model, config)
    config.model.test_cfg.rcnn.score_thr = 0.0
    next(model.parameters()).data[0, 0, 0, 0] += 1
    assert searcher.fingerprint != fingerprint(model, config)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({}, "expected model, a config or its name, or weights"),
        (dict(model="tdn_r50ibn_prw"), "tdn_r50ibn_prw has no published weights, expected weights"),
        (
            dict(model="two-step_exported", detector_weights="a.onnx"),
            "expected weights, or detector_weights and reid_w",
        ),
    ],
)
def test_models_that_lack_something(kwargs, message):
    with pytest.raises(InputError, match=message):
        PersonSearchInferencer(**kwargs)
