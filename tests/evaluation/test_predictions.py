import os
import pickle
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from random_cases import draw_case

from mmpersonsearch.cli.test import add_metrics
from mmpersonsearch.evaluation.metrics import DetectionMetric
from mmpersonsearch.evaluation.predictions import read_predictions, write_predictions

DATA = {"data_set": "PRWDataset", "boxes": "sha256:0123", "gallery 50": "sha256:4567"}


def as_images(protocol, detections, query_feats):
    images = {}
    for scene, found in zip(protocol.images, detections):
        images[scene.img_id] = {name: found.get(name).numpy() for name in ("bboxes", "scores", "reid_feats")}
        inds = [i for i, query in enumerate(protocol.queries) if query.img_id == scene.img_id]
        if inds:
            images[scene.img_id].update(query_ids=np.array(inds), query_feats=query_feats[inds].numpy())
    return images


@pytest.fixture
def case():
    protocol, detections, query_feats = draw_case(1)
    protocol.data = dict(DATA)
    return protocol, detections, query_feats


@pytest.fixture
def path(case, tmp_path):
    write_predictions(tmp_path / "p.pkl", as_images(*case), {"data": DATA, "model": {"config": "c.py"}})
    return tmp_path / "p.pkl"


def test_what_is_written_is_read(case, path):
    protocol, detections, query_feats = case
    found = read_predictions(path, protocol)
    assert torch.equal(found.query_feats, query_feats)
    for got, expected in zip(found.detections, detections, strict=True):
        assert all(torch.equal(got.get(name), expected.get(name)) for name in ("bboxes", "scores", "reid_feats"))
    assert found.provenance == {"data": DATA, "model": {"config": "c.py"}}


def test_a_threshold_below_the_models_is_refused(case, tmp_path):
    write_predictions(tmp_path / "p.pkl", as_images(*case), {"data": DATA, "model": {"score_thr": 0.5}})
    for enough in (None, 0.5, 0.7):
        read_predictions(tmp_path / "p.pkl", case[0], det_thr=enough)
    with pytest.raises(ValueError, match=r"det_thr 0\.3 cannot act: the model of .*p\.pkl .*score_thr 0\.5"):
        read_predictions(tmp_path / "p.pkl", case[0], det_thr=0.3)


def test_a_detector_without_embeddings(case, tmp_path):
    """``mmpersonsearch test --out`` writes what its metric has; only who asks for embeddings misses them."""
    protocol, detections, _ = case
    metrics = [DetectionMetric()]
    evaluator = SimpleNamespace(metrics=metrics, dataset_meta=dict(search_protocol=protocol))
    path = tmp_path / "d.pkl"
    add_metrics(SimpleNamespace(test_evaluator=evaluator), str(path), None, {"model": {"config": "d.py"}})
    metrics[-1].process({}, [dict(img_id=s.img_id, pred_instances=d) for s, d in zip(protocol.images, detections)])
    metrics[-1].evaluate(len(protocol.images))
    found = read_predictions(path, protocol, fields=("bboxes", "scores"))
    assert found.query_feats is None and found.provenance["model"] == {"config": "d.py"}
    for got, expected in zip(found.detections, detections, strict=True):
        assert torch.equal(got.bboxes, expected.bboxes) and "reid_feats" not in got
    with pytest.raises(ValueError, match=r"d\.pkl has no reid_feats: a detector without Re-ID has written it"):
        read_predictions(path, protocol)


def test_plain_pickle_reads_it_too(case, path):
    assert set(pickle.loads(path.read_bytes())["images"]) == {scene.img_id for scene in case[0].images}


def test_other_annotations_are_refused(case, path):
    protocol = case[0]
    protocol.data["boxes"] = "sha256:9999"
    with pytest.raises(ValueError, match="other data: boxes is sha256:0123, the config's test split has sha256:9999"):
        read_predictions(path, protocol)
    assert len(read_predictions(path, protocol, allow_differences=True).detections) == len(protocol.images)


def test_other_gallery_sizes_are_no_other_data(case, path):
    protocol = case[0]
    del protocol.data["gallery 50"]
    protocol.data["gallery 100"] = "sha256:8888"
    read_predictions(path, protocol)


def test_missing_images_and_queries(case, tmp_path):
    images = as_images(*case)
    protocol = case[0]
    with_queries = next(name for name, image in images.items() if "query_ids" in image)
    write_predictions(tmp_path / "p.pkl", {k: v for k, v in images.items() if k != protocol.images[3].img_id}, {})
    with pytest.raises(ValueError, match=rf"p.pkl: 1 of 12 images have no result: {protocol.images[3].img_id}; was"):
        read_predictions(tmp_path / "p.pkl", protocol)
    del images[with_queries]["query_ids"]
    write_predictions(tmp_path / "p.pkl", images, {})
    with pytest.raises(ValueError, match=rf"p.pkl: \d queries have no embedding: .*image {with_queries!r}"):
        read_predictions(tmp_path / "p.pkl", protocol)


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("made-by-a-pickle",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps(Malicious()), "which is neither plain data nor an array"),
        (pickle.dumps([1]), "expected a dict with 'images' and 'provenance'"),
        (b"no pickle", "is no file of predictions"),
        (b"", "is no file of predictions"),
    ],
)
def test_other_files_are_refused(case, tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.pkl").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_predictions(tmp_path / "p.pkl", case[0])
    assert not (tmp_path / "made-by-a-pickle").exists()


def test_missing_file(case, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.pkl do not exist"):
        read_predictions(tmp_path / "nothing.pkl", case[0])


def test_nothing_warns(case, path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_predictions(path, case[0])
