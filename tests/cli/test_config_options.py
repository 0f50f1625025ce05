import math
import re

import pytest

from mmpersonsearch.cli.config_options import check_options
from mmpersonsearch.cli.run_config import read_config
from mmpersonsearch.utils.errors import InputError


@pytest.fixture(scope="module")
def config():
    return read_config("tdn_r50ibn_prw")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("optimm_wrapper.optimizer.lr", 7, "did you mean 'optim_wrapper'"),
        ("optim_wrapper.optimizer.lrr", 7, r"did you mean 'optim_wrapper\.optimizer\.lr'"),
        ("default_hooks.loger.interval", 5, r"did you mean 'default_hooks\.logger'"),
        ("train_dataloader.batch_sze", 2, r"did you mean 'train_dataloader\.batch_size'"),
        ("model.backbone.dept", 18, r"did you mean 'model\.backbone\.depth'"),
        ("model.backbone.depth.x", 18, r"model\.backbone\.depth is \d+ \(int\), it has no 'x'"),
        ("default_hooks.mine.interval", 5, "has no key 'mine'"),
        ("train_cfg.max_epoch", 2, r"did you mean 'train_cfg\.max_epochs'"),
        ("param_scheduler.9.end", 2, "is a list of"),
        ("train_dataloader.batch_size", 0, "expected an integer of 1 or more, got 0"),
        ("train_dataloader.num_workers", -1, "expected an integer from 0 to 4294967295, got -1"),
        ("randomness.seed", 2**32, "expected an integer from 0 to 4294967295"),
        ("model.roi_head.reid_head.num_ids", 0, "expected an integer of 1 or more, got 0"),
        ("model.test_cfg.rcnn.nms.iou_threshold", 50, "expected a number from 0 to 1, got 50"),
        ("model.train_cfg.rcnn.sampler.pos_fraction", 3, "expected a number from 0 to 1, got 3"),
        ("optim_wrapper.accumulative_counts", 0, "expected an integer of 1 or more, got 0"),
        ("optim_wrapper.optimizer.lr", math.nan, "got nan"),
        ("optim_wrapper.optimizer.lr", "fast", "expected a number such as"),
        ("optim_wrapper.optimizer", {"lr": -1.0}, r"\.lr: expected a number above 0"),
        ("test_evaluator.det_thr", 1.5, "expected a number from 0 to 1, got 1.5"),
        ("test_evaluator.topk", (1, 0), "expected integers of 1 or more"),
        ("train_dataloader.dataset.data_root", 5, "expected text such as"),
        ("model.type", "PersonSearchDetectr", "did you mean 'PersonSearchDetector'"),
    ],
)
def test_what_nothing_reads_or_makes_no_sense_is_refused(config, key, value, message):
    with pytest.raises(InputError, match=f"^--cfg-options {key}.*{message}"):
        check_options(config, {key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("randomness.seed", 3),
        ("load_from", "a.pth"),
        ("find_unused_parameters", True),
        ("optim_wrapper.optimizer.nesterov", True),
        ("optim_wrapper.accumulative_counts", 2),
        ("model.roi_head.reid_head.num_ids", None),
        ("default_hooks.logger.interval", 5),
        ("default_hooks.mine", {"type": "EMAHook"}),
        ("default_hooks.mine.type", "EMAHook"),
        ("train_dataloader.prefetch_factor", 2),
        ("train_cfg.val_begin", 2),
        ("env_cfg.dist_cfg.timeout", 60),
        ("model.backbone.norm_eval", False),
        ("model.roi_head.bbox_roi_extractor.roi_layer.type", "RoIAlign"),
        ("custom_hooks.0.priority", "LOW"),
        ("model.roi_head.bridge.norm_eval", True),
        ("default_hooks.checkpoint.interval", -1),
        ("model.train_cfg.rpn.assigner.neg_iou_thr", (0.0, 0.3)),
        ("model.train_cfg.rpn.assigner.ignore_iof_thr", -1),
    ],
)
def test_what_mmengine_or_a_class_reads_is_known(config, key, value, capsys):
    check_options(config, {key: value})
    assert not capsys.readouterr().err


def test_new_keys_may_be_allowed(config):
    check_options(config, {"my_own.key": 1}, allow_new_keys=True)
    with pytest.raises(InputError, match="expected an integer"):
        check_options(config, {"train_dataloader.batch_size": 0}, allow_new_keys=True)


def test_variables_of_the_file_are_refused(config):
    """The data sets would stay where they are."""
    with pytest.raises(InputError, match="data_root is a variable of the config file") as error:
        check_options(config, {"data_root": "elsewhere"})
    places = re.findall(r"\w+_dataloader\.dataset\.data_root", str(error.value))
    assert sorted(places) == [f"{name}_dataloader.dataset.data_root" for name in ("test", "train", "val")]
    with pytest.raises(InputError, match=r"stay: set train_dataloader\.dataset\.pipeline\.2\.prob \("):
        check_options(config, {"train_pipeline.2.prob": 0.1})
    with pytest.raises(InputError, match=r"stay \(--allow-new-keys"):
        check_options(config, {"loss_weight_schedule.milestones": [[1, 2.0]]})
    check_options(config, {"data_root": "elsewhere"}, allow_new_keys=True)
