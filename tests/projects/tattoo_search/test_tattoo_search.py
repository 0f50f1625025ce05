"""Search for tattoos: the project's configs, and search by the model's boxes and by whole images, end to end."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from resolved_configs import RECORD, digest, weights_of
from sklearn.metrics import average_precision_score
from tiny_models import draw_batch, read_config

from mmpersonsearch.cli import crop
from mmpersonsearch.evaluation.metrics import PersonSearchMetric
from mmpersonsearch.registry import DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS, VISUALIZERS

ROOT = Path(__file__).resolve().parents[3]
PROJECT = ROOT / "projects/tattoo_search"
WEIGHTS = PROJECT / "configs/bot_r18ibn_tattoo-synth.py"  # the Re-ID model that OIM starts from
LEAVES = sorted(path for path in PROJECT.glob("configs/*.py") if path != WEIGHTS)
sys.path.insert(0, str(PROJECT / "tools"))

import make_tattoos  # noqa: E402

from projects.tattoo_search.tattoo_search import WholeImageSearchDataset  # noqa: E402


@pytest.mark.parametrize("path", LEAVES, ids=[path.stem for path in LEAVES])
def test_config_builds(path):
    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    with torch.device("meta"):  # weights cost nothing there
        model = MODELS.build(cfg.model)
    assert digest(weights_of(model)) == json.loads(RECORD.read_text())[path.stem]["weights"]
    assert model.roi_head.reid_head.num_ids == cfg.num_ids
    VISUALIZERS.build(cfg.visualizer)  # which a hook asks for
    for hook in cfg.default_hooks.values():
        HOOKS.build(hook)
    assert isinstance(METRICS.build(cfg.test_evaluator), PersonSearchMetric)
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        assert issubclass(DATASETS.get(loader.dataset.type), DATASETS.get("CocoPersonSearchDataset"))
        assert loader.dataset.metainfo.classes == ("tattoo",)
        for transform in loader.dataset.pipeline:
            TRANSFORMS.build(transform)
    is_whole = path.stem.endswith("_whole-image")
    assert cfg.test_dataloader.dataset.type == ("WholeImageSearchDataset" if is_whole else "CocoPersonSearchDataset")
    assert (cfg.model.type == "WholeImageSearch") == is_whole
    assert cfg.val_dataloader == cfg.test_dataloader


@pytest.mark.parametrize("path", [*LEAVES, WEIGHTS], ids=lambda path: path.stem)
def test_config_is_documented_and_short(path):
    assert path.stem in (PROJECT / "README.md").read_text()
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    assert len(lines) <= 32


@pytest.mark.parametrize("path", [path for path in LEAVES if "whole-image" in path.stem], ids=lambda path: path.stem)
def test_both_protocols_take_the_same_checkpoint(path):
    whole = Config.fromfile(path)
    boxes = Config.fromfile(path.parent / f"{path.stem.removesuffix('_whole-image')}.py")
    assert {**whole.model, "type": boxes.model.type} == boxes.model
    assert whole.train_dataloader == boxes.train_dataloader


@pytest.fixture(scope="module")
def tattoos(tmp_path_factory):
    out = tmp_path_factory.mktemp("tattoos") / "set"
    few = "--train-images 8 --train-ids 2 --test-images 9 --test-ids 3 --queries 6 --size 96 72"
    make_tattoos.main([*few.split(), "--out", str(out)])
    return out


def whole_images(root, **changes):
    values = dict(ann_file="test.json", query_file="test_queries.json", metainfo=dict(classes=("tattoo",)))
    return WholeImageSearchDataset(data_root=str(root), data_prefix=dict(img_path="images"), **values | changes)


def test_whole_image_dataset_gives_every_tattoo_and_query_its_image(tattoos):
    protocol = whole_images(tattoos).metainfo["search_protocol"]
    content = json.loads((tattoos / "test.json").read_text())
    queries = json.loads((tattoos / "test_queries.json").read_text())["queries"]
    boxes = {image["id"]: [0, 0, image["width"], image["height"]] for image in content["images"]}
    assert {tuple(box) for box in boxes.values()} == {(0, 0, 96, 72), (0, 0, 72, 96)}
    for scene in protocol.images:
        own = [one["person_id"] for one in content["annotations"] if one["image_id"] == scene.img_id]
        assert scene.person_ids.tolist() == own
        assert scene.bboxes.tolist() == [boxes[scene.img_id]] * len(own)
    assert [(query.img_id, query.person_id) for query in protocol.queries] == [
        (query["image_id"], query["person_id"]) for query in queries
    ]
    assert all(query.bbox.tolist() == boxes[query.img_id] for query in protocol.queries)
    assert protocol.class_name == "tattoo"


def test_whole_image_dataset_needs_queries_and_sizes(tattoos, tmp_path):
    with pytest.raises(ValueError, match="query_file is needed"):
        whole_images(tattoos, query_file=None)
    content = json.loads((tattoos / "test.json").read_text())
    del content["images"][3]["width"]
    (tmp_path / "test.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"test.json, images\[3\]: expected width and height in pixels"):
        whole_images(tattoos, ann_file=str(tmp_path / "test.json"))


def embed_boxes(model, inputs, rois):
    """The RoI head's embeddings of (n, 5) RoIs, step by step."""
    x, head = model.extract_feat(inputs), model.roi_head
    maps = head.extract_reid_maps(x, rois, inputs)[0] if hasattr(head, "part2") else head.extract_maps(x, rois)
    return head.reid_head.predict(maps)


@pytest.mark.parametrize("variant", ["_oim-star", "_baseline"])
@torch.no_grad()
def test_the_one_detection_is_the_image_whatever_the_roi_head(variant):
    init_default_scope("mmpersonsearch")
    torch.manual_seed(0)
    cfg = read_config(variant).model
    model = MODELS.build({**cfg, "type": "WholeImageSearch"}).eval()
    inputs, samples = draw_batch([2, 0, 1], num_queries=[2, 0, 1], scale=0.5)
    samples[2].set_metainfo(dict(img_shape=(90, 100), ori_shape=(180, 200)))  # padded to (96, 128)
    del samples[1].query_instances
    for i, box in ((0, [0.0, 0, 256, 192]), (2, [0.0, 0, 200, 180])):  # as the dataset has them
        samples[i].query_instances.bboxes = torch.tensor([box] * len(samples[i].query_instances))
    rois = torch.tensor([[0.0, 0, 0, 128, 96], [1, 0, 0, 128, 96], [2, 0, 0, 100, 90]])
    expected = embed_boxes(model, inputs, rois)

    found = model.predict(inputs, samples)
    for sample, box, feats in zip(found, ([0, 0, 256, 192], [0, 0, 256, 192], [0, 0, 200, 180]), expected):
        assert sample.pred_instances.bboxes.tolist() == [box]
        assert sample.pred_instances.scores.tolist() == [1] and sample.pred_instances.labels.tolist() == [0]
        torch.testing.assert_close(sample.pred_instances.reid_feats, feats[None], rtol=1e-5, atol=1e-6)
        if "query_instances" in sample:
            queries = sample.query_instances
            assert queries.query_ids.tolist() == list(range(len(queries.bboxes)))
            torch.testing.assert_close(queries.reid_feats, feats.expand(len(queries), -1), rtol=1e-5, atol=1e-6)
    assert "query_instances" not in found[1]
    unscaled = model.predict(inputs, samples, rescale=False)
    assert unscaled[2].pred_instances.bboxes.tolist() == [[0, 0, 100, 90]]


def search_by_hand(protocol, feats, query_feats):
    """mAP and top-1 where an image has one detection, the image, which is right if the image shows the object."""
    aps, hits = [], []
    for query, query_feat in zip(protocol.queries, query_feats):
        gallery = [i for i, scene in enumerate(protocol.images) if scene.img_id != query.img_id]
        right = np.array([query.person_id in protocol.images[i].person_ids for i in gallery])
        similarities = np.array([float(query_feat @ feats[i]) for i in gallery])
        aps.append(average_precision_score(right, similarities))
        hits.append(right[similarities.argmax()])
    return np.mean(aps), np.mean(hits)


def test_the_metric_finds_whole_images_as_by_hand(tattoos):
    protocol = whole_images(tattoos).metainfo["search_protocol"]
    rng = np.random.default_rng(0)
    feats = torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(len(protocol.images), 8))))
    query_feats = torch.stack([feats[protocol.image_index[query.img_id]] for query in protocol.queries])
    detections = [
        InstanceData(bboxes=torch.tensor(scene.bboxes[:1]), scores=torch.ones(1), reid_feats=feat[None])
        for scene, feat in zip(protocol.images, feats)
    ]
    metric = PersonSearchMetric()
    metric.dataset_meta = dict(search_protocol=protocol)
    found = metric.measure(detections, query_feats)
    mean_ap, top1 = search_by_hand(protocol, feats, query_feats)
    assert 0.1 < mean_ap < 0.95
    assert found["person_search/mAP"] == pytest.approx(mean_ap) and found["person_search/top-1"] == pytest.approx(top1)


def read_tiny_config(path, tattoos, work_dir):
    cfg = Config.fromfile(path, format_python_code=False)  # the formatter takes longer than the training
    cfg.work_dir, cfg.experiment_name = str(work_dir), work_dir.name
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.data_root = str(tattoos)
        next(step for step in loader.dataset.pipeline if step.type == "mmdet.Resize").scale = (96, 72)
    cfg.train_cfg.update(max_iters=1, val_interval=1)
    cfg.default_hooks.checkpoint.update(interval=1, save_optimizer=False)
    # An untrained detector is sure of nothing.
    cfg.model.test_cfg.rcnn.score_thr = cfg.val_evaluator.det_thr = cfg.test_evaluator.det_thr = 0.0
    return cfg


def test_weights_for_oim_come_from_crops_of_tattoos(tattoos, tmp_path, monkeypatch):
    out = tmp_path / "crops"
    for split in ("train", "test"):
        source = f"--data-root {tattoos} --split {split} --ann-file {split}.json --img-prefix images"
        crop.main(f"--dataset COCO --class-name tattoo {source} --size 96 96 --out {out}".split())
    monkeypatch.setenv("TATTOO_REID_ROOT", f"{out}/")
    init_default_scope("mmpersonsearch")
    cfg = Config.fromfile(WEIGHTS)
    for loader, split in ((cfg.train_dataloader, "train"), (cfg.test_dataloader, "test")):
        dataset = DATASETS.build(loader.dataset)
        content = json.loads((tattoos / f"{split}.json").read_text())
        assert len(dataset) == sum(one["person_id"] >= 0 for one in content["annotations"])
        packed = [dataset[0] for _ in range(20)]
        assert {one["inputs"].shape for one in packed} == {(3, 96, 96)}
        assert not any(one["data_samples"].get("flip") for one in packed)
    assert cfg.val_dataloader == cfg.test_dataloader

    torch.manual_seed(0)
    source = MODELS.build(cfg.model).state_dict()
    torch.save({"state_dict": source}, tmp_path / "weights.pth")
    monkeypatch.setenv("SYNTH_WEIGHTS", str(tmp_path / "weights.pth"))
    model = MODELS.build(Config.fromfile(PROJECT / "configs/oim_r18_tattoo-synth.py").model)
    model.init_weights()
    own = {name: value for name, value in model.state_dict().items() if re.search(r"conv\d\.weight$", name)}
    filled = {name: re.search(r"(layer\d\.\d\.)?conv\d\.weight$", name).group() for name in own}
    assert len(set(filled.values())) == 17  # ResNet-18's convolutions
    for name, name_in_source in filled.items():
        assert torch.equal(own[name], source[f"backbone.{name_in_source}"]), name


@pytest.mark.parametrize("name", [path.stem for path in LEAVES if path.stem.endswith("_tattoo-synth")])
def test_a_model_is_trained_and_tested_by_both_protocols(name, tattoos, tmp_path, monkeypatch):
    monkeypatch.setenv("OIM_CHECKPOINT", "none")
    runner = Runner.from_cfg(read_tiny_config(PROJECT / f"configs/{name}.py", tattoos, tmp_path / name))
    runner.train()
    boxes = runner.val_evaluator.metrics[0].protocol_record
    assert runner.message_hub.get_scalar("train/loss").current() > 0
    assert "Tattoo search (%" in next((tmp_path / name).rglob("*.log")).read_text()

    cfg = read_tiny_config(PROJECT / f"configs/{name}_whole-image.py", tattoos, tmp_path / "whole")
    cfg.load_from = str(tmp_path / name / "iter_1.pth")
    tester = Runner.from_cfg(cfg)
    found = tester.test()
    whole = tester.test_evaluator.metrics[0].protocol_record
    assert all(0 <= value <= 1 for value in found.values()) and found["person_search/mAP"] > 0
    assert (boxes["data"]["data_set"], whole["data"]["data_set"]) == (
        "CocoPersonSearchDataset",
        "WholeImageSearchDataset",
    )
    assert {key: value for key, value in boxes.items() if key != "data"} == {
        key: value for key, value in whole.items() if key != "data"
    }
