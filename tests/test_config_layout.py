"""How configs are written: few files, few levels, no edits by index, and pages that are generated from them."""

import ast
import re
import subprocess
import sys

import pytest
import yaml
from tiny_models import ROOT

from mmpersonsearch.utils.config_files import list_configs

PROJECTS = [
    path for name in ("tattoo_search", "pets09", "deskpro") for path in ROOT.glob(f"projects/{name}/configs/*.py")
]
LEAVES = [*list_configs(), *sorted(PROJECTS)]
ALL = sorted([*ROOT.glob("configs/**/*.py"), *ROOT.glob("projects/*/configs/**/*.py")])


def bases(path):
    """The files that a config names as its bases."""
    for statement in ast.parse(path.read_text()).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "_base_":
            value = ast.literal_eval(statement.value)
            return [(path.parent / base).resolve() for base in ([value] if isinstance(value, str) else value)]
    return []


def levels(path):
    return 1 + max(map(levels, bases(path)), default=0)


def files(path):
    return {path}.union(*map(files, bases(path)))


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.stem)
def test_a_config_is_read_from_few_files(path):
    assert levels(path) <= 3
    assert len(files(path)) <= 7, sorted(files(path))


def test_every_base_is_used():
    used = set().union(*map(files, LEAVES))
    assert [path for path in ALL if path not in used] == []


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_nothing_is_edited_by_index_or_read_from_another_config(path):
    for node in ast.walk(ast.parse(path.read_text())):
        assert not (isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del)), ast.unparse(node)
        assert not (isinstance(node, ast.Subscript) and "_base_" in ast.unparse(node)), ast.unparse(node)
        assert not isinstance(node, ast.Import | ast.ImportFrom), ast.unparse(node)


def test_leaves_are_short():
    lengths = [
        len([line for line in path.read_text().splitlines() if line.strip()[:1] not in ("", "#")]) for path in LEAVES
    ]
    assert max(lengths) <= 32
    assert sum(length <= 15 for length in lengths) >= 0.75 * len(lengths)


def test_papers_configs_are_on_prw_cuhk_sysu_and_posetrack21_only():
    untrained = {"two-step_coco_msmt17", "two-step_exported"}  # for searching one's own pictures
    names = {path.stem for path in list_configs() if path.is_relative_to(ROOT / "configs")} - untrained
    assert [name for name in names if not re.search("_(prw|cuhk|prw-cuhk|prw-mini|posetrack21)(_|$)", name)] == []
    assert len(list_configs()) == 212


def test_metafiles_and_tables_are_up_to_date():
    command = [sys.executable, "tools/write_method_pages.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_config_is_in_a_metafile_with_code_that_exists():
    metafiles = [
        yaml.safe_load((ROOT / path).read_text())
        for path in yaml.safe_load((ROOT / "model-index.yml").read_text())["Import"]
    ]
    named = [model["Config"] for metafile in metafiles for model in metafile["Models"]]
    assert sorted(named) == sorted(str(path.relative_to(ROOT)) for path in list_configs())
    collections = [one for metafile in metafiles for one in metafile["Collections"]]
    assert [one["Name"] for one in collections if not (ROOT / one.get("Code", "README.md")).is_file()] == []


def test_the_table_of_environment_variables_is_complete():
    read = {name for path in ALL for name in re.findall(r"\{\{\s*\$(\w+)", path.read_text())}
    table = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/guide/environment.md").read_text(), re.M)
    assert sorted(table) == sorted(read)
