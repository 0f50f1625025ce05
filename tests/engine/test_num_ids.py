"""``num_ids=None``: the number of identities is that of the training set, of the checkpoint in testing."""

import re
from pathlib import Path

import pytest
import torch
from dataset_writers import PRW_TRAIN, write_prw
from mmengine.config import Config
from mmengine.runner import CheckpointLoader
from mmengine.visualization import Visualizer
from tiny_models import CONFIGS, SYNTH
from version_0_1 import CHECKPOINTS, FOLDER

from mmpersonsearch.apis import build_model
from mmpersonsearch.cli import check, test, train
from mmpersonsearch.datasets.checks import read_splits
from mmpersonsearch.engine.num_ids import count_rows, count_training_identities, open_parts, set_num_ids
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.checkpoint import load_checkpoint_file
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.faults import ERROR, Faults

# OIM of the synthetic set without its number of identities, at toy size.
CONFIG = """
_base_ = "{SYNTH}/oim/oim_r18_synth.py"
model = dict(
    roi_head=dict(reid_head=dict(num_ids=None)),
    train_cfg=dict(rpn_proposal=dict(max_per_img=8)),
    test_cfg=dict(rpn=dict(max_per_img=8), rcnn=dict(score_thr=0.0, max_per_img=8)),
)
train_dataloader = dict(batch_size=1, num_workers=0, persistent_workers=False, dataset=dict(data_root="prw"))
val_cfg = val_dataloader = val_evaluator = None
test_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(data_root="prw"))
test_evaluator = dict(det_thr=0.0)
train_cfg = dict(max_iters=1, val_interval=1)
param_scheduler = []
default_hooks = dict(checkpoint=dict(interval=1))
"""
LUT = "roi_head.reid_head.loss_id.lut.features"


def test_open_numbers_are_filled_and_others_stay():
    model = dict(
        head=dict(num_ids=None), parts=[dict(num_ids=7), dict(deep=dict(num_ids=None))], sampler=dict(num=None)
    )
    assert len(list(open_parts(model))) == 2
    set_num_ids(model, 3)
    assert model == dict(
        head=dict(num_ids=3), parts=[dict(num_ids=7), dict(deep=dict(num_ids=3))], sampler=dict(num=None)
    )
    assert list(open_parts(model)) == []


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_rows_of_checkpoints(name):
    checkpoint = load_checkpoint_file(FOLDER / name)
    expected = None if name == "faster_rcnn.pth" else 150
    assert count_rows(checkpoint) == expected
    assert count_rows({f"module.{key}": value for key, value in checkpoint["state_dict"].items()}) == expected


def test_rows_of_a_head_with_several_classifiers():
    assert count_rows({f"head.classifiers.{i}.weight": torch.zeros(4, 2) for i in range(8)}) == 4
    assert count_rows({"roi_head.reid_head.loss_id.queue.features": torch.zeros(500, 2)}) is None


@pytest.mark.parametrize("name", ["HEPLoss", "C2HEPLoss", "OIMLoss"])
def test_rows_of_a_loss_with_weights(name):
    """HEP tells the background apart, too."""
    options = dict(queue_size=5) if name == "OIMLoss" else {}
    head = torch.nn.ModuleDict(dict(loss_id=MODELS.build(dict(type=name, num_ids=7, feat_channels=4, **options))))
    assert count_rows(head.state_dict()) == 7


def test_what_cannot_be_counted_is_named(tmp_path):
    (tmp_path / "own.py").write_text("train_dataloader = None")
    config = Config.fromfile(tmp_path / "own.py")
    with pytest.raises(InputError, match=r"own\.py: num_ids is None, and there is no train_dataloader"):
        count_training_identities(config)
    root = write_prw(tmp_path / "set", train={"c1s1_000001": [(-2, 1, 1, 30, 60)]})
    config.train_dataloader = dict(dataset=dict(type="PRWDataset", data_root=str(root), pipeline=[dict(type="Unread")]))
    with pytest.raises(InputError, match="its annotations label nobody"):
        count_training_identities(config)


def test_identities_that_would_collide_are_named_with_the_remedy(tmp_path):
    part = dict(type="PRWDataset", data_root=str(write_prw(tmp_path / "a")), pipeline=[])
    other = write_prw(tmp_path / "b", train={"c1s1_000001": [(7, 1, 1, 30, 60)]})
    joined = dict(type="ConcatDataset", datasets=[part, dict(part, data_root=str(other))])
    config = Config(dict(train_dataloader=dict(dataset=joined)))
    with pytest.raises(InputError, match=r"ConcatDataset has no metainfo\['num_ids'\].*; JointPersonSearchDataset"):
        count_training_identities(config)
    config.train_dataloader.dataset = dict(type="RepeatDataset", times=2, dataset=part)
    assert count_training_identities(config) == 3
    read_splits(joined, "train", True, faults := Faults())
    assert any("ConcatDataset joins data sets of different identities" in line for line in faults.lines(ERROR))
    read_splits(dict(joined, datasets=[part, part]), "train", True, faults := Faults())
    assert not faults.lines(ERROR)


@pytest.mark.parametrize("name", ["models/tdn_r50ibn", "models/oim-star_r50ibn", "teachers/mgn_r50ibn"])
def test_a_head_is_not_built_without_the_number(name, monkeypatch):
    monkeypatch.setenv("IBN_R50_WEIGHTS", "none")
    config = Config.fromfile(CONFIGS / f"_base_/{name}.py")
    (head,) = open_parts(config.teacher if "teacher" in config else config.model)
    with torch.device("meta"), pytest.raises(InputError, match=f"{head.type}: num_ids is None, expected the number of"):
        MODELS.build(dict(head, loss_id=dict(head.loss_id, queue_size=5)) if "OIM" in head.type else head)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a command in a folder with the config ``own.py`` and the set ``prw``."""
    (tmp_path / "own.py").write_text(CONFIG.replace("{SYNTH}", str(SYNTH)))
    write_prw(tmp_path / "prw")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNTH_WEIGHTS", "none")
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setattr(CheckpointLoader, "_schemes", dict(CheckpointLoader._schemes))

    def run(command, *args):
        Visualizer._instance_dict.clear()  # MMEngine keeps one visualizer of a name in a process
        command.main(list(args))

    return run


def test_training_counts_and_testing_and_resuming_read_the_checkpoint(run, capsys):
    run(train, "own.py")
    assert "num_ids is 3: the identities of the training set\n" in capsys.readouterr().out
    path = "work_dirs/own/iter_1.pth"
    checkpoint = load_checkpoint_file(path)
    assert checkpoint["state_dict"][LUT].shape == (3, 256) and checkpoint["state_dict"][LUT].any()
    assert re.search(r"num_ids=3,", checkpoint["meta"]["cfg"])

    Path("prw/frame_train.mat").rename("elsewhere.mat")  # a test does without the training set
    run(test, "own.py", path)
    assert Path("work_dirs/own/result.json").is_file()
    model = build_model("own.py", path)
    assert torch.equal(model.state_dict()[LUT], checkpoint["state_dict"][LUT])
    assert build_model("own.py").roi_head.reid_head.num_ids == 1  # without weights only training needs it

    Path("elsewhere.mat").rename("prw/frame_train.mat")
    capsys.readouterr()
    run(train, "own.py", "--resume", "--cfg-options", "train_cfg.max_iters=2")
    output = capsys.readouterr()
    assert "num_ids is 3: as in " in output.out and "num_ids" not in output.err  # which names what has changed
    assert load_checkpoint_file("work_dirs/own/iter_2.pth")["state_dict"][LUT].shape[0] == 3
    write_prw(Path("prw"), train={**PRW_TRAIN, "c1s1_000006": [(44, 10, 20, 30, 70)]})
    with pytest.raises(SystemExit):
        run(train, "own.py", "--resume", "--cfg-options", "train_cfg.max_iters=3")
    assert "model.roi_head.reid_head.num_ids is 3" in (error := capsys.readouterr().err) and "set num_ids=4" in error


def test_all_faults_of_the_training_set_are_named(run, capsys):
    for name in ("c1s1_000001", "c2s1_000002"):
        Path(f"prw/annotations/{name}.jpg.mat").unlink()
    with pytest.raises(SystemExit):
        run(train, "own.py")
    error = capsys.readouterr().err
    assert "2 faults of own.py" in error and "c1s1_000001" in error and "c2s1_000002" in error
    with pytest.raises(SystemExit) as ended:
        run(check, "own.py", "--no-images")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("error: ")]
    assert ended.value.code == 1 and len(lines) == 2 and all("not exist" in line for line in lines)
