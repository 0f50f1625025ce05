"""What the documentation says is true."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from dataset_writers import write_image, write_prw
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmpersonsearch.cli.main import VERBS
from mmpersonsearch.cli.run_config import fill_num_ids
from mmpersonsearch.engine.num_ids import open_parts
from mmpersonsearch.registry import DATASETS, METRICS, MODELS

DOCS = Path(__file__).resolve().parents[1] / "docs"


def code_blocks(name, language):
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / name).read_text(), re.S)


def test_the_example_by_hand():
    blocks = code_blocks("evaluation.md", "python")
    assert len(blocks) == 3 and "assert" in blocks[1] and "assert" in blocks[2]
    exec("\n".join(blocks), {})


@pytest.mark.parametrize("path", [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda path: path.name)
def test_commands_that_are_named_exist(path):
    commands = re.findall(r"mmpersonsearch ([a-z][a-z-]+)(?: ([a-z][a-z-]+))?", path.read_text())
    assert [words for words in commands if words[0] not in VERBS and " ".join(words) not in VERBS] == []


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_tools_and_configs_that_are_named_exist(path):
    root = DOCS.parent
    named = re.findall(r"(?:tools|configs)/[\w./-]+\.(?:py|sh)", path.read_text())
    missing = [name for name in named if not (root / name).exists() and "own" not in name]
    assert missing == []


def test_the_config_for_own_data_is_read_and_built(tmp_path, monkeypatch):
    path = tmp_path / "tdn_r50ibn_own.py"
    names = (path.name, "bot_r50ibn_own.py", "oim_r50_prw-own.py")
    for config, name in zip(code_blocks("own_data.md", "python"), names, strict=True):
        (tmp_path / name).write_text(config)
    examples = [json.loads(block) for block in code_blocks("own_data.md", "json")]
    (tmp_path / "data/own/images").mkdir(parents=True)
    write_image(tmp_path / "data/own/images/cam1_0001.jpg", size=(1920, 1080))
    for name, content in zip(("train.json", "test_queries.json"), examples, strict=True):
        (tmp_path / "data/own" / name).write_text(json.dumps(content))
    shutil.copy(tmp_path / "data/own/train.json", tmp_path / "data/own/test.json")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IBN_R50_WEIGHTS", "none")

    config = Config.fromfile(path)
    train, test = (DATASETS.build(loader.dataset) for loader in (config.train_dataloader, config.test_dataloader))
    assert train.metainfo["num_ids"] == 1 and len(train[0]["data_samples"].gt_instances.bboxes) == 2
    assert len(test.metainfo["search_protocol"].queries) == 1
    fill_num_ids(config)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        model = MODELS.build(config.model)
    assert model.roi_head.reid_head.num_ids == model.roi_head.reid_head.teacher.model.head.num_ids == 1
    teacher = Config.fromfile(tmp_path / "bot_r50ibn_own.py")
    assert list(open_parts(teacher.model)) == [teacher.model.head]
    assert teacher.train_dataloader.dataset.data_root == "data/own_reid/"

    write_prw(tmp_path / "data/PRW")
    joint = Config.fromfile(tmp_path / "oim_r50_prw-own.py")
    train, test = (DATASETS.build(loader.dataset) for loader in (joint.train_dataloader, joint.test_dataloader))
    assert train.metainfo["identities"] == ["own 17", "prw 3", "prw 7", "prw 932"]
    assert {train[i]["data_samples"].data_set for i in range(len(train))} == set(test.metainfo["data_sets"])
    fill_num_ids(joint)
    assert joint.model.roi_head.reid_head.num_ids == 4 and joint.val_dataloader == joint.test_dataloader


def test_the_parts_of_ones_own_are_built_and_used(tmp_path, monkeypatch):
    parts, config = code_blocks("extending.md", "python")
    (tmp_path / "my_parts.py").write_text(parts)
    (tmp_path / "mine.py").write_text(config)
    folder = tmp_path / "data/text"
    folder.mkdir(parents=True)
    for file, lines in {
        "train.txt": ["a 1 1 40 90 7", "a 50 1 90 90 -1", "b 1 1 40 90 9"],
        "test.txt": ["c 1 1 40 90 3", "d 1 1 40 90 3", "d 50 1 90 90 4"],
        "queries.txt": ["c 1 1 40 90 3"],
    }.items():
        (folder / file).write_text("\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("IBN_R50_WEIGHTS", "none")

    config = Config.fromfile(tmp_path / "mine.py")
    train = DATASETS.build(config.train_dataloader.dataset)
    assert train.metainfo["identities"] == [7, 9] and len(train) == 2
    protocol = DATASETS.build(config.test_dataloader.dataset).metainfo["search_protocol"]
    assert set(protocol.data) == {"data_set", "test", "queries"} and len(protocol.images) == 2
    loss = MODELS.build(config.model.roi_head.reid_head.loss_distill)
    assert loss(torch.eye(2), torch.tensor([[1.0, 0.0], [1.0, 0.0]])) == 0.5
    metric = METRICS.build(config.test_evaluator)
    metric.dataset_meta = dict(search_protocol=protocol)
    for scene in protocol.images:
        found = dict(bboxes=torch.tensor(scene.bboxes), scores=torch.ones(len(scene.bboxes)))
        found["reid_feats"] = torch.eye(2)[: len(scene.bboxes)]
        queries = dict(query_ids=torch.arange(1), reid_feats=torch.eye(2)[:1]) if scene.img_id == "c" else None
        sample = dict(img_id=scene.img_id, pred_instances=found)
        metric.process({}, [sample | (dict(query_instances=queries) if queries else {})])
    assert metric.evaluate(2)["person_search/power/mAP"] == 1
