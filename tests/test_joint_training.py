"""PRW and CUHK-SYSU as one set: train, resume, test each set by its own protocol."""

import copy
import json
from pathlib import Path

import pytest
import torch
from dataset_writers import write_cuhk, write_prw
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader, Runner
from mmengine.visualization import Visualizer
from tiny_models import CONFIGS, SYNTH

from mmpersonsearch.cli import eval as eval_command
from mmpersonsearch.cli import rank, test
from mmpersonsearch.evaluation.provenance import read_result
from mmpersonsearch.registry import METRICS, MODELS
from mmpersonsearch.utils.errors import InputError

OWN_BASES = {"prw": "prw_600", "cuhk": "cuhk_sysu_600"}
DATA_KEYS = ("train_dataloader", "val_dataloader", "test_dataloader", "val_evaluator", "test_evaluator")


def make_config(work_dir, base="prw_cuhk_600"):
    """oim_r50_prw-cuhk at toy size, with the data of a base."""
    cfg = Config.fromfile(CONFIGS / "oim/oim_r50_prw-cuhk.py")
    num_ids, queue_size = cfg.num_ids, cfg.queue_size
    cfg.model = Config.fromfile(SYNTH / "oim/oim_r18_synth.py").model
    cfg.model.roi_head.reid_head.num_ids = num_ids
    cfg.model.roi_head.reid_head.loss_id.queue_size = queue_size
    # An untrained detector is sure of nothing, but some of its anchors are on persons.
    cfg.model.test_cfg.rcnn.update(score_thr=0.0, max_per_img=64)
    cfg.model.train_cfg.rpn_proposal.max_per_img = 16
    cfg.model.roi_head.bbox_roi_extractor.roi_layer.output_size = (8, 4)
    cfg.model.roi_head.bbox_head.roi_feat_size = (2, 1)
    cfg.model.rpn_head.anchor_generator.scales = [2, 3, 5]
    data = Config.fromfile(CONFIGS / f"_base_/datasets/{base}.py")
    for key in DATA_KEYS:
        cfg[key] = data[key]
    cfg.val_evaluator.det_thr = cfg.test_evaluator.det_thr = 0.0
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
        for one in loader.dataset.get("datasets", {"": loader.dataset}).values():
            next(step for step in one.pipeline if step.type == "mmdet.Resize").scale = (256, 144)
    cfg.train_cfg = dict(type="IterBasedTrainLoop", max_iters=2, val_interval=2)
    cfg.param_scheduler = []
    checkpoint = dict(type="CheckpointHook", interval=1, by_epoch=False, save_best="prw/person_search/mAP")
    cfg.default_hooks.checkpoint = checkpoint
    cfg.log_processor.by_epoch = False
    cfg.randomness = dict(seed=3, deterministic=True)
    cfg.work_dir, cfg.experiment_name = str(work_dir), f"joint {work_dir.parent.name} {work_dir.name}"
    return cfg


def build(cfg):
    Visualizer._instance_dict.clear()  # MMEngine keeps one visualizer of a name in a process
    return Runner.from_cfg(copy.deepcopy(cfg))


def evaluate(model, cfg):
    """Metrics of the test split of a config, one image after the other."""
    metric = METRICS.build(cfg.test_evaluator)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        loader = Runner.build_dataloader(cfg.test_dataloader)
    metric.dataset_meta = loader.dataset.metainfo
    for batch in loader:
        metric.process(batch, [sample.to_dict() for sample in model.test_step(batch)])
    return metric.evaluate(len(loader.dataset))


@pytest.fixture(scope="module")
def without_weights():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNTH_WEIGHTS", "none")
        yield patch


@pytest.fixture(scope="module")
def trained(without_weights, samples_root, tmp_path_factory):
    """A training on the real samples."""
    without_weights.setenv("PRW_ROOT", str(samples_root / "prw_sample"))
    without_weights.setenv("CUHK_ROOT", str(samples_root / "cuhk_layout_sample"))
    runner = build(make_config(tmp_path_factory.mktemp("real") / "whole"))
    runner.train()
    return runner


def test_memories_are_of_both_sets(trained):
    assert trained.train_dataloader.dataset.metainfo["num_ids"] == 4 + 4
    loss_id = trained.model.roi_head.reid_head.loss_id
    assert loss_id.lut.features.shape == (483 + 5532, 256) and loss_id.queue.features.shape == (500 + 5000, 256)
    filled = loss_id.lut.features.any(dim=1).nonzero().flatten().tolist()
    assert min(filled) < 4 <= max(filled) < 8  # rows of both sets


def test_resumed_equals_uninterrupted(trained, tmp_path):
    cfg = make_config(tmp_path / "resumed")
    cfg.train_cfg.val_begin = 3
    cfg.load_from, cfg.resume = f"{trained.work_dir}/iter_1.pth", True
    resumed = build(cfg)
    resumed.train()
    one, other = trained.model.state_dict(), resumed.model.state_dict()
    assert [key for key in one if not torch.equal(one[key], other[key])] == []
    assert resumed.iter == 2


def test_each_set_has_the_metrics_that_it_has_alone(trained, tmp_path):
    scalars = trained.message_hub.log_scalars
    joint = {key: scalars[key] for key in scalars if "person_search/" in key or "detection/" in key}
    for name, base in OWN_BASES.items():
        alone = evaluate(trained.model.eval(), make_config(tmp_path / name, base))
        assert alone["person_search/mAP"] > 0 and alone["detection/labelled/ap"] > 0
        found = {key: joint.pop(f"val/{name}/{key}").current() for key in alone}
        assert found == pytest.approx(alone, abs=1e-9)
    assert not joint


def test_best_checkpoint_goes_by_a_sets_metric(trained):
    (path,) = Path(trained.work_dir).glob("best_*.pth")
    assert path.name == "best_prw_person_search_mAP_iter_2.pth"


@pytest.fixture
def tested(without_weights, tmp_path, monkeypatch):
    """Config and results of a test on written sets, in the current folder."""
    monkeypatch.setattr(CheckpointLoader, "_schemes", dict(CheckpointLoader._schemes))
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.chdir(tmp_path)
    without_weights.setenv("PRW_ROOT", str(write_prw(tmp_path / "prw")))
    without_weights.setenv("CUHK_ROOT", str(write_cuhk(tmp_path / "cuhk")))
    cfg = make_config(tmp_path / "work")
    cfg.test_dataloader.dataset.datasets.cuhk.gallery_sizes = (100, 50)
    cfg.model.test_cfg.rcnn.max_per_img = cfg.model.test_cfg.rpn.max_per_img = 8
    cfg.dump(tmp_path / "joint.py")
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        torch.save(MODELS.build(cfg.model).state_dict(), "joint.pth")
    Visualizer._instance_dict.clear()
    test.main(["joint.py", "joint.pth", "--work-dir", "out", "--out", "all.pkl", "--show-dir", "show"])
    return json.loads((tmp_path / "out/result.json").read_text())


def test_commands_take_each_sets_part(tested, tmp_path):
    assert tested["protocols"]["prw"]["data"]["data_set"] == "PRWDataset"
    assert tested["protocols"]["cuhk"]["galleries"] == [100, 50]
    with pytest.raises(InputError, match=r"out/result.json is of several data sets \(cuhk, prw\)"):
        read_result("out/result.json")
    for name in OWN_BASES:
        eval_command.main([f"all_{name}.pkl", "joint.py", "--data-set", name, "--out", f"{name}.json"])
        result = read_result(f"{name}.json")
        expected = {key: value for key, value in tested.items() if key.startswith(f"{name}/")}
        assert {f"{name}/{key}": result[key] for key in result if "/" in key} == pytest.approx(expected)
        assert (tmp_path / "show" / name / "ranking_crops.png").is_file()
    rank.main(["joint.py", "all_prw.pkl", "--data-set", "prw", "--num-queries", "1", "--out", "prw.png"])
    assert (tmp_path / "prw.png").is_file()
    with pytest.raises(SystemExit, match=r"joint\.py tests several data sets: choose one by --data-set, of cuhk, prw"):
        eval_command.main(["all_prw.pkl", "joint.py"])
    with pytest.raises(SystemExit, match=r"--data-set prv: joint\.py has no such data set, expected one of cuhk, prw"):
        eval_command.main(["all_prw.pkl", "joint.py", "--data-set", "prv"])
    with pytest.raises(SystemExit, match=r"all_cuhk\.pkl was written for other data: data_set is CUHKSYSUDataset"):
        eval_command.main(["all_cuhk.pkl", "joint.py", "--data-set", "prw"])
