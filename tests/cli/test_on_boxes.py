import json

import numpy as np
import pytest
import torch
from dataset_writers import PRW_QUERIES
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from tiny_models import SYNTH

from mmpersonsearch.cli import on_boxes as tool
from mmpersonsearch.cli.run_config import read_config
from mmpersonsearch.evaluation.predictions import write_predictions

FRAMES = ["c1s2_000010", "c2s2_000011", "c1s2_000012", "c3s2_000013"]


@pytest.fixture
def config(prw_root, tmp_path, monkeypatch):
    """TDN, which embeds its final boxes, on the small set; an untrained one reports whatever it sees."""
    monkeypatch.setenv("SYNTH_WEIGHTS", "none")
    monkeypatch.setenv("SYNTH_ROOT", f"{prw_root}/")
    path = tmp_path / "config.py"
    path.write_text(
        f'_base_ = "{SYNTH}/tdn/tdn_r18ibn_synth_wo-teacher.py"\n'
        "model = dict(test_cfg=dict(rcnn=dict(score_thr=-1.0, max_per_img=5)))\n"
        "test_dataloader = dict(num_workers=0, persistent_workers=False)\n"
    )
    return path


@pytest.fixture
def checkpoint(config, tmp_path):
    torch.manual_seed(0)
    torch.save(dict(state_dict=tool.build_model(str(config)).state_dict()), tmp_path / "model.pth")
    return tmp_path / "model.pth"


@pytest.fixture
def run(config, checkpoint, tmp_path):
    """Runs the tool; gives its result file."""

    def run(*args):
        tool.main([str(config), str(checkpoint), "--device", "cpu", "--out", str(tmp_path / "r.json"), *args])
        return json.loads((tmp_path / "r.json").read_text())

    return run


def read_loader(config):
    with DefaultScope.overwrite_default_scope("mmpersonsearch"):
        return Runner.build_dataloader(read_config(str(config)).test_dataloader)


def test_own_boxes_give_own_embeddings(config, checkpoint):
    model = tool.build_model(str(config))
    model.load_state_dict(torch.load(checkpoint)["state_dict"])
    with torch.no_grad():
        own = {s.img_id: s for batch in read_loader(config) for s in model.test_step(batch)}
    assert [len(s.pred_instances) for s in own.values()] == [5, 5, 5, 5]
    boxes = {img_id: sample.pred_instances for img_id, sample in own.items()}
    for batch in read_loader(config):
        for sample in tool.embed(model, batch, boxes):
            expected, queries = boxes[sample.img_id], own[sample.img_id].query_instances
            assert set(sample.pred_instances.keys()) == {"bboxes", "scores", "reid_feats"}
            assert torch.equal(sample.pred_instances.bboxes, expected.bboxes)
            assert torch.equal(sample.pred_instances.scores, expected.scores)
            torch.testing.assert_close(sample.pred_instances.reid_feats, expected.reid_feats, atol=1e-5, rtol=0)
            assert torch.equal(sample.query_instances.query_ids, queries.query_ids)
            torch.testing.assert_close(sample.query_instances.reid_feats, queries.reid_feats, atol=1e-5, rtol=0)


def test_true_boxes_are_detected_whole(run):
    result = run()
    assert result["detection/ap"] == result["detection/recall"] == 1
    assert 0 < result["person_search/mAP"] <= 1
    assert result["boxes"] == "true" and result["protocol"]["num_queries"] == 3
    assert result["model"]["checkpoint"].endswith("model.pth")


def test_boxes_of_predictions_with_their_scores(run, tmp_path):
    """One image has no box, one a box whose score is below the metric's threshold."""
    boxes = {frame: np.array([[12, 16, 42, 88]], np.float32) for frame in FRAMES}
    boxes[FRAMES[1]] = np.zeros((0, 4), np.float32)
    images = {}
    for frame, bboxes in boxes.items():
        scores = np.full(len(bboxes), 0.2 if frame == FRAMES[2] else 0.9, np.float32)
        # Another model's embeddings, of another width.
        images[frame] = dict(bboxes=bboxes, scores=scores, reid_feats=np.ones((len(bboxes), 7), np.float32))
        queries = [q for q, query in enumerate(PRW_QUERIES) if query[-1] == frame]
        if queries:
            feats = np.ones((len(queries), 7), np.float32)
            images[frame].update(query_ids=np.array(queries), query_feats=feats)
    write_predictions(tmp_path / "p.pkl", images, {})
    result = run("--predictions", str(tmp_path / "p.pkl"))
    assert result["boxes"] == str(tmp_path / "p.pkl")
    assert 0 < result["detection/recall"] < 1
    protocol = tool.build_test_dataset(read_config(str(tmp_path / "config.py"))).metainfo["search_protocol"]
    given = tool.given_boxes(protocol, str(tmp_path / "p.pkl"))
    assert isinstance(given[FRAMES[0]], InstanceData) and given[FRAMES[2]].scores.tolist() == pytest.approx([0.2])


def test_bad_input_ends_in_a_message(config, checkpoint, tmp_path):
    with pytest.raises(SystemExit, match=r"predictions no\.pkl do not exist"):
        tool.main([str(config), str(checkpoint), "--predictions", "no.pkl"])
    torch.save(dict(state_dict={}), tmp_path / "empty.pth")
    with pytest.raises(SystemExit, match="does not fit PersonSearchDetector"):
        tool.main([str(config), str(tmp_path / "empty.pth")])
