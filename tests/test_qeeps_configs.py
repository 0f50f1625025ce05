"""QEEPS' configs: the rows of the paper's tables, their teachers, schedules and data."""

from pathlib import Path

import pytest
import yaml
from mmengine.config import Config

from mmpersonsearch.utils.config_files import find_config


def read_config(name):
    return Config.fromfile(find_config(name))


# The 11 rows of tables 1 to 3 that have QEEPS: mAP, top-1 and the teacher.
ROWS = {
    "oim_r50_cuhk_kd-reid_qeeps-r50-teacher": (83.8, 84.2, "qeeps_r50_cuhk"),
    "qeeps_r50_cuhk": (84.4, 84.4, None),
    "qeeps_r50_cuhk_kd-reid_oim-r50-teacher": (83.2, 82.9, "oim_r50_cuhk"),
    "qeeps_r50_cuhk_kd-reid": (85.0, 85.5, "qeeps_r50_cuhk"),
    "oim_r18_cuhk_kd-reid_qeeps-r50-teacher": (82.4, 83.0, "qeeps_r50_cuhk"),
    "qeeps_r18_cuhk": (76.6, 76.0, None),
    "qeeps_r18_cuhk_kd-reid_oim-r50-teacher": (82.1, 81.4, "oim_r50_cuhk"),
    "qeeps_r18_cuhk_kd-reid": (84.1, 84.3, "qeeps_r50_cuhk"),
    "oim_r50_prw-mini_900_kd-reid_qeeps-r50-teacher": (39.5, 73.3, "qeeps_r50_prw-mini"),
    "qeeps_r50_prw-mini": (39.1, 80.0, None),
    "qeeps_r50_prw-mini_kd-reid": (39.7, 80.0, "qeeps_r50_prw-mini"),
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_of_the_papers_tables(name):
    path = find_config(name)
    method = yaml.safe_load((Path(path).parent / "method.yml").read_text())
    (row,) = (row for row in method["rows"] if row["config"] == name)
    assert (*row["paper"][:2], ROWS[name][2]) == ROWS[name]
    cfg = read_config(name)
    loss_id = cfg.model.roi_head.reid_head.loss_id
    if ROWS[name][2] is None:
        assert loss_id.get("loss_weight", 1.0) == 1.0 and "lut_checkpoint" not in loss_id
    else:
        assert (loss_id.loss_weight, loss_id.freeze_lut) == (0.1, True)
        assert loss_id.lut_checkpoint == last_checkpoint(ROWS[name][2], cfg)


@pytest.mark.parametrize("data", ["cuhk", "prw", "prw-mini"])
@pytest.mark.parametrize("depth", [18, 50])
def test_configs_of_the_sets(depth, data):
    cfg = read_config(f"qeeps_r{depth}_{data}")
    assert cfg.load_from == last_checkpoint(f"oim_r{depth}_{data}{'_900' if data == 'prw-mini' else ''}", cfg)
    assert (cfg.test_cfg.type, cfg.test_evaluator) == ("PairSearchLoop", dict(type="PairSearchMetric"))
    assert cfg.train_dataloader.batch_sampler.type == "IdentityPairBatchSampler"
    assert cfg.train_dataloader.batch_size == 2
    oim = read_config(f"oim_r{depth}_{data.partition('-')[0]}")
    assert cfg.optim_wrapper == oim.optim_wrapper and cfg.param_scheduler == oim.param_scheduler
    assert cfg.model.test_cfg == oim.model.test_cfg and cfg.model.train_cfg == oim.model.train_cfg
    assert cfg.test_dataloader.dataset.get("query_file") == (None if data == "cuhk" else "prwmini_query_info.txt")
    sizes = {step.scale for step in cfg.test_dataloader.dataset.pipeline if step.type == "mmdet.Resize"}
    assert sizes == {(1500, 900) if data == "prw-mini" else (1000, 600)}


def last_checkpoint(name, cfg):
    """Path of the last checkpoint of a config that is trained on the same identities."""
    trained = read_config(name)
    assert trained.train_dataloader.dataset == cfg.train_dataloader.dataset
    assert trained.num_ids == cfg.num_ids
    return f"work_dirs/{name}/epoch_{trained.train_cfg.max_epochs}.pth"
