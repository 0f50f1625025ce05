"""What the documentation says is true."""

import argparse
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from dataset_writers import write_image, write_prw
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmpersonsearch.cli.main import VERBS, main
from mmpersonsearch.cli.run_config import fill_num_ids
from mmpersonsearch.engine.num_ids import open_parts
from mmpersonsearch.registry import DATASETS, MODELS

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = [
    DOCS.parent / "README.md",
    *sorted([*DOCS.rglob("*.md"), *DOCS.parent.glob("configs/*/README.md"), *DOCS.parent.glob("projects/*/README.md")]),
]


def code_blocks(name, language):
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / name).read_text(), re.S)


def test_the_example_by_hand():
    blocks = code_blocks("concepts/protocol.md", "python")
    assert len(blocks) == 3 and "assert" in blocks[1] and "assert" in blocks[2]
    exec("\n".join(blocks), {})


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(DOCS.parent)))
def test_commands_that_are_named_exist(path):
    commands = re.findall(r"mmpersonsearch ([a-z][a-z-]+)(?: ([a-z][a-z-]+))?", path.read_text())
    assert [words for words in commands if words[0] not in VERBS and " ".join(words) not in VERBS] == []


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=lambda path: path.name)
def test_tools_and_configs_that_are_named_exist(path):
    root = DOCS.parent
    named = re.findall(r"(?<![\w/])(?:tools|configs)/[\w./-]+\.(?:py|sh)", path.read_text())
    missing = [name for name in named if not (root / name).exists() and "own" not in name]
    assert missing == []


def test_the_config_for_own_data_is_read_and_built(tmp_path, monkeypatch):
    path = tmp_path / "tdn_r50ibn_own.py"
    names = (path.name, "bot_r50ibn_own.py", "oim_r50_prw-own.py")
    blocks = [*code_blocks("guide/own_data.md", "python"), *code_blocks("guide/data.md", "python")]
    for config, name in zip(blocks, names, strict=True):
        (tmp_path / name).write_text(config)
    examples = [json.loads(block) for block in code_blocks("guide/own_data.md", "json")]
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


class Parsed(BaseException):
    """The arguments of a command are accepted."""


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(DOCS.parent)))
def test_commands_take_the_arguments_that_are_shown(path, monkeypatch):
    def parse(parser, argv=None, namespace=None):
        parse_known(parser, argv, namespace)
        raise Parsed

    blocks = re.findall(r"^```bash\n(.*?)^```", path.read_text(), re.S | re.M)
    text = "".join(blocks).replace("\\\n", "").replace("$split", "train")
    lines = re.findall(r"^ *(?:\w+=\S* )*mmpersonsearch (.*)", text, re.M)
    parse_known = argparse.ArgumentParser.parse_args
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    for line in lines:
        words = shlex.split(line, comments=True)
        with pytest.raises(Parsed):
            main(words[: words.index("|")] if "|" in words else words)
