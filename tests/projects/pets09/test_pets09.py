"""Frames of PETS 2009: the configs, results by whether training saw a person, and the real frames where they are."""

import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from resolved_configs import NUM_IDS, build_without_weights
from tiny_models import ROOT

from mmpersonsearch.cli.run_config import fill_num_ids
from mmpersonsearch.datasets import CocoPersonSearchDataset
from mmpersonsearch.registry import DATASETS, HOOKS, METRICS, TRANSFORMS
from mmpersonsearch.structures import Query, SceneImage, SearchProtocol
from projects.pets09.run import by_persons
from projects.synthetic_benchmark.run.fixed_embeddings import color_histogram, embed_true_boxes

PROJECT = ROOT / "projects/pets09"
LEAVES = sorted(PROJECT.glob("configs/*.py"))


@pytest.fixture
def frames(samples_root, monkeypatch):
    root = samples_root / "pets09_s2l1"
    if not root.is_dir():
        pytest.skip(f"no frames of PETS 2009 in {root}")
    monkeypatch.setenv("PETS09_ROOT", f"{root}/")
    return root


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.stem)
def test_config_builds_and_is_documented(path):
    cfg = Config.fromfile(path)
    model = build_without_weights(cfg)
    head = model.roi_head.reid_head if "roi_head" in cfg.model else model.head
    assert head.num_ids == NUM_IDS  # left to the training set
    del cfg.default_hooks["visualization"]  # needs the runner's visualizer
    hooks = [HOOKS.build(hook) for hook in (*cfg.default_hooks.values(), *cfg.get("custom_hooks", []))]
    assert ("LossWeightScheduleHook" in [type(hook).__name__ for hook in hooks]) == getattr(head, "with_teacher", False)
    METRICS.build(cfg.test_evaluator)
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        assert DATASETS.get(loader.dataset.type) is not None
        for transform in loader.dataset.pipeline:
            TRANSFORMS.build(transform)
    assert cfg.param_scheduler[-1].end == cfg.train_cfg.max_iters == cfg.train_cfg.val_interval
    assert cfg.load_from
    assert path.stem in (PROJECT / "README.md").read_text()


def test_the_teacher_is_the_one_that_its_config_trains():
    taught = Config.fromfile(PROJECT / "configs/tdn_r18ibn_pets09.py").model.roi_head.reid_head.teacher
    trained = Config.fromfile(PROJECT / "configs/bot_r18ibn_pets09.py")
    assert taught.model.to_dict() == trained.model.to_dict()
    assert taught.checkpoint == f"work_dirs/bot_r18ibn_pets09/iter_{trained.train_cfg.max_iters}.pth"


def test_queries_of_persons_outside_training_are_measured_apart():
    """Persons 1, 2 and 3 in images of one box each; each query finds its person first, but 3, which is second."""
    boxes = np.array([[0.0, 0, 10, 20]])
    images = [SceneImage(i, boxes, np.array([person])) for i, person in enumerate([1, 1, 2, 2, 3, 3])]
    queries = [Query(0, boxes[0], 1), Query(2, boxes[0], 2), Query(4, boxes[0], 3)]
    feats = torch.eye(3)[[0, 0, 1, 1, 2, 2]]
    query_feats = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0.9, 0.5]])
    detections = [
        InstanceData(bboxes=torch.tensor(boxes).float(), scores=torch.ones(1), reid_feats=feat[None]) for feat in feats
    ]
    metric = by_persons.ByPersonsMetric({1, 3})
    metric.dataset_meta = dict(search_protocol=SearchProtocol(images, queries))
    # Person 3's own image comes after the two of person 2: precision 1 / 3.
    expected = {
        "all (3) mAP": 7 / 9,
        "all top-1": 2 / 3,
        "seen (2) mAP": 2 / 3,
        "seen top-1": 1 / 2,
        "unseen (1) mAP": 1.0,
        "unseen top-1": 1.0,
    }
    assert metric.measure(detections, query_feats) == pytest.approx(expected)
    metric.trained = {1, 2, 3, 4}
    assert list(metric.measure(detections, query_feats)) == [
        "all (3) mAP", "all top-1", "seen (3) mAP", "seen top-1"
    ]  # fmt: skip


def test_the_frames_and_their_protocol(frames):
    cfg = Config.fromfile(PROJECT / "configs/oim_r18_pets09.py")
    init_default_scope(cfg.default_scope)
    assert by_persons.trained_persons(cfg) == {1, 2, 3, 4, 5, 8, 9, 10}
    dataset = DATASETS.build({**cfg.test_dataloader.dataset, "pipeline": []})
    protocol = dataset.metainfo["search_protocol"]
    persons = [query.person_id for query in protocol.queries]
    assert (len(protocol.images), len(persons)) == (94, 33)
    assert len([person for person in persons if person in (6, 7)]) == 9
    assert set(persons) - by_persons.trained_persons(cfg) == {6, 7}


def test_fixed_embeddings_on_the_true_boxes_of_a_few_frames(frames, tmp_path):
    content = json.loads((frames / "test.json").read_text())
    kept = {image["id"] for image in content["images"][:6]}
    content["images"] = content["images"][:6]
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] in kept]
    box = next(one for one in content["annotations"] if one["person_id"] >= 0)
    (tmp_path / "test.json").write_text(json.dumps(content))
    (tmp_path / "queries.json").write_text(json.dumps({"queries": [box]}))
    dataset = CocoPersonSearchDataset(
        ann_file=str(tmp_path / "test.json"),
        query_file=str(tmp_path / "queries.json"),
        data_prefix=dict(img_path=str(frames / "images")),
    )
    detections, query_feats = embed_true_boxes(dataset, color_histogram)
    assert sum(len(found.bboxes) for found in detections) == len(content["annotations"])
    own = next(found for found, scene in zip(detections, content["images"]) if scene["id"] == box["image_id"])
    assert torch.isclose(own.reid_feats @ query_feats[0], torch.ones(1)).any()


@pytest.mark.parametrize("name", ["tdn_r18ibn_pets09_wo-teacher", "oim_r18_pets09"])
def test_a_training_begins_on_the_frames(name, frames, tmp_path):
    cfg = Config.fromfile(PROJECT / f"configs/{name}.py", format_python_code=False)  # formatting takes long
    cfg.work_dir, cfg.experiment_name, cfg.load_from = str(tmp_path), f"{tmp_path.name}_{name}", None
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    next(step for step in cfg.train_dataloader.dataset.pipeline if step.type == "mmdet.Resize").scale = (128, 96)
    cfg.train_cfg.update(max_iters=1, val_interval=1)
    cfg.test_dataloader = cfg.test_evaluator = cfg.test_cfg = None
    del cfg.default_hooks["checkpoint"]
    fill_num_ids(cfg)
    assert cfg.model.roi_head.reid_head.num_ids == 8
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.message_hub.get_scalar("train/loss").current() > 0
