"""Person search among people who change clothes: TDN with a plain teacher and with DeSKPro's body stream."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from resolved_configs import build_without_weights

from mmpersonsearch.engine.num_ids import set_num_ids
from mmpersonsearch.registry import DATASETS, METRICS, MODELS
from projects.synthetic_benchmark.generator import clothes_changing

ROOT = Path(__file__).resolve().parents[3]
CONFIGS = ROOT / "projects/deskpro/configs"
TRAINED = {"bot": "bot_r18ibn_clothes-synth", "deskpro": "deskpro_osnet-x025_clothes-synth_body"}


@pytest.mark.parametrize(("name", "width"), [("bot", 512), ("deskpro", 3584)])
def test_a_teacher_is_what_its_config_trains(name, width):
    cfg = Config.fromfile(CONFIGS / f"tdn_r18ibn_synth-clothes_{name}-teacher.py")
    trained = Config.fromfile(CONFIGS / f"{TRAINED[name]}.py")
    head = build_without_weights(cfg).roi_head.reid_head
    assert f"/{TRAINED[name]}/" in head.teacher.checkpoint and head.teacher.feat_channels == width
    assert isinstance(head.projection, torch.nn.Linear) == (name == "deskpro")
    set_num_ids(trained.model, clothes_changing.parse_args(["--out", "x"]).train_ids)
    with torch.device("meta"):
        source = MODELS.build(trained.model)
    weights = (source if name == "bot" else source.body).state_dict()
    assert {key: one.shape for key, one in head.teacher.model.state_dict().items()} == {
        key: one.shape for key, one in weights.items()
    }
    assert not getattr(head.teacher.model, "mirrored", False)


@pytest.mark.parametrize("name", TRAINED)
def test_galleries_are_of_other_cameras(name):
    cfg = Config.fromfile(CONFIGS / f"tdn_r18ibn_synth-clothes_{name}-teacher.py")
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        assert loader.dataset.cross_camera and loader.dataset.data_root == "data/synth_clothes/"
    assert cfg.train_dataloader.dataset.data_root == "data/synth_clothes/"


def test_bot_reads_the_bodies_of_the_drawn_persons(tmp_path):
    sizes = "--train-ids 2 --test-ids 2 --cameras 4 --face-size 8 --size 32 16"
    clothes_changing.main([*sizes.split(), "--out", str(tmp_path / "set")])
    cfg = Config.fromfile(CONFIGS / f"{TRAINED['bot']}.py")
    init_default_scope(cfg.default_scope)
    metric = METRICS.build(cfg.test_evaluator)
    assert metric.normalize
    train, test = (DATASETS.build(dict(loader.dataset, data_root=str(tmp_path / "set"))) for loader in (
        cfg.train_dataloader, cfg.test_dataloader,
    ))  # fmt: skip
    assert (len(train), len(test), train.metainfo["num_ids"]) == (8, 8, 2)
    assert train[5]["inputs"].shape == (3, 128, 64) and train[5]["data_samples"].gt_label.label.tolist() == [1]
    samples = [packed["data_samples"] for packed in test]
    for sample in samples:
        sample.pred_feature = torch.rand(4)
    metric.process(None, [sample.to_dict() for sample in samples])
    assert metric.compute_metrics(metric.results).keys() == {"mAP", "R-1", "R-5", "R-10"}
