"""The project's configs: what they build, and that model, teacher and data fit each other."""

import json
import re
from functools import cache
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmpersonsearch.engine.num_ids import count_rows, set_num_ids
from mmpersonsearch.registry import DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS, VISUALIZERS

ROOT = Path(__file__).resolve().parents[3]
PROJECT = ROOT / "projects/deskpro"
LEAVES = [path for path in sorted(PROJECT.glob("configs/*.py")) if path.stem.startswith(("deskpro", "light-mbn"))]
NUM_IDS = 11
# Streams by the variant of table 3: the body's class and backbone, the face's input, and whether there is a teacher.
LIGHT_MBN, CSA = ("LightMBN", "MultiBranchOSNet"), ("LightMBN", "AttentiveOSNet")
BODY = ("MaskGuidedLightMBN", "AttentiveOSNet")
TABLE_3 = {
    "light-mbn": (LIGHT_MBN, None, False),
    "light-mbn_csa": (CSA, None, False),
    "deskpro_body": (BODY, None, False),
    "deskpro_face-wo-fkp": (None, "face", False),
    "deskpro_face": (None, "face", True),
    "deskpro_face-teacher": (None, "restored_face", False),
    "deskpro_wo-fkp": (BODY, "face", False),
    "deskpro": (BODY, "face", True),
    "deskpro_restored-face": (BODY, "restored_face", False),
}


@cache
def build_stream(text):
    """A stream, without weights, by its config: most models have the same ones."""
    return MODELS.build(dict(json.loads(text), data_preprocessor=dict(type="mmdet.ReIDDataPreprocessor")))


@pytest.fixture
def build(monkeypatch):
    """Function from a config to its model, without weights."""
    cached = lambda config: config and build_stream(json.dumps(config))  # noqa: E731
    monkeypatch.setattr("projects.deskpro.deskpro.two_stream_reid._build_stream", cached)

    def run(cfg):
        init_default_scope("mmpersonsearch")
        set_num_ids(cfg.model, NUM_IDS)
        with torch.device("meta"):
            return MODELS.build(cfg.model)

    return run


def kind_of(stream):
    return stream and (type(stream).__name__, type(stream.backbone).__name__)


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.stem)
def test_config_builds(path, build):
    algorithm, backbone, data, *variant = path.stem.split("_")
    cfg = Config.fromfile(path)
    model = build(cfg)
    body, face_input, with_teacher = TABLE_3["_".join([algorithm, *variant])]
    assert kind_of(model.body) == body
    assert kind_of(model.face) == (face_input and LIGHT_MBN)
    assert model.face is None or model.face_input == face_input
    assert (model.teacher is not None) == with_teacher
    assert count_rows(model.state_dict()) == NUM_IDS
    width = 16 if backbone == "osnet-x025" else 64
    assert all(stream.backbone.stem.conv1.conv.out_channels == width for stream in model.streams.values())
    for stream in model.streams.values():
        assert stream.mirrored
        assert (stream.head.out_channels, stream.head.loss_triplet.margin) == (7 * 512, 0.7)
    if body == BODY:
        assert (model.body.loss_attention.eps, model.body.loss_attention.loss_weight) == (0.1, 7)
    if with_teacher:
        assert (cfg.model.alpha, cfg.model.loss_distill.temperature) == ((0.8, 1) if data == "prcc" else (0.7, 5))
    # the data have what the model reads
    train, test = cfg.train_dataloader.dataset, cfg.test_dataloader.dataset
    assert set(test.streams) == set(model.streams)
    assert set(train.streams) == set(model.streams) | ({"restored_face"} if with_teacher else set())
    assert train.load_masks == (body == BODY)
    assert cfg.val_dataloader == cfg.test_dataloader


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.stem)
def test_the_other_parts_of_the_config_are_built(path):
    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    VISUALIZERS.build(cfg.visualizer)  # which a hook asks for
    assert {"FrozenPartsHook", "IdentityCountCheckHook"} <= {
        type(HOOKS.build(hook)).__name__ for hook in cfg.default_hooks.values()
    }
    assert METRICS.build(cfg.test_evaluator).normalize is False
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        assert DATASETS.get(loader.dataset.type).__name__ == "ClothesChangingDataset"
        for transform in loader.dataset.pipeline:
            TRANSFORMS.build(transform)
    sampler = cfg.train_dataloader.sampler
    size, scaled = (60, 3e-3) if "clothes-synth" in path.stem else (30, 6e-4 * 1.5**0.5)
    assert cfg.train_dataloader.batch_size == sampler.num_ids * sampler.num_instances == size
    assert cfg.auto_scale_lr.base_batch_size == size
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(scaled, rel=1e-3)
    assert cfg.param_scheduler[-1].end == (cfg.train_cfg.get("max_epochs") or cfg.train_cfg.max_iters)


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.stem)
def test_the_teacher_is_the_one_that_its_config_trains(path):
    teacher = Config.fromfile(path).model.get("teacher")
    if teacher is None:
        return
    _, run, checkpoint = teacher.checkpoint.split("/")
    trained = Config.fromfile(PROJECT / f"configs/{run}.py")
    assert teacher.model.to_dict() == trained.model.to_dict()
    last = trained.train_cfg.get("max_epochs") or trained.train_cfg.max_iters
    assert checkpoint in (f"epoch_{last}.pth", f"iter_{last}.pth")


@pytest.mark.parametrize("data", ["celeb-reid-light", "clothes-synth"])
def test_table_3_is_complete(data):
    backbone = "osnet-x025" if data == "clothes-synth" else "osnet"
    names = {re.sub(f"_{backbone}_{data}(?=_|$)", "", path.stem) for path in LEAVES if f"_{data}" in path.stem}
    assert names == set(TABLE_3)
