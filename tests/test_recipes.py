"""The recipes of ``docs/extend`` are followed to the letter: their files are written, then their commands run."""

import json
import re
import runpy
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from mmengine.config import Config

from mmpersonsearch.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs/extend"


def steps_of(page):
    """Files, ``(path, text)``, and commands, ``(None, line)``, in the order of a page."""
    for language, path, text in re.findall(
        r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', page.read_text(), re.S | re.M
    ):
        if path:
            yield path, text
        elif language == "bash":
            yield from ((None, line) for line in text.replace("\\\n", "").splitlines())


def run(line, patch):
    """Run a command in this process."""
    words = shlex.split(line)
    if words[0] == "export":
        patch.setenv(*words[1].split("="))
    elif words[0] == "mmpersonsearch":
        try:
            main(words[1:])
        except SystemExit as ended:
            assert not ended.code, line
    elif words[:3] == ["python", "-m", "pytest"]:
        assert pytest.main([*words[3:], "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir=."]) == 0
    elif words[:2] == ["python", "-m"]:
        import_module(f"{words[2]}.__main__").main(words[3:])
    else:
        assert words[0] == "python"
        runpy.run_path(words[1], run_name="__main__")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A stand-in for the root of a checkout, with the drawn set of the first page."""
    root = tmp_path_factory.mktemp("checkout")
    (root / "projects").mkdir()
    for name in ("configs", "projects/synthetic_benchmark"):
        (root / name).symlink_to(ROOT / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.syspath_prepend(root)
        follow("index", patch)
        yield root


def write_files(page):
    for path, text in steps_of(PAGES / f"{page}.md"):
        if path:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(text)


def follow(page, patch):
    write_files(page)
    for path, line in steps_of(PAGES / f"{page}.md"):
        if not path:
            run(line, patch)


@pytest.fixture
def followed(checkout, monkeypatch, commands_in_process):
    return lambda page: follow(page, monkeypatch)


@pytest.mark.slow
def test_a_loss_and_a_ranking(followed, capsys):
    followed("loss")
    result = json.loads(next(Path("work_dirs/oim_r18_synth_margin").glob("**/result.json")).read_text())
    assert "person_search/mAP" in result
    capsys.readouterr()
    followed("ranking")
    assert "score" in capsys.readouterr().out


@pytest.mark.slow
def test_a_data_set(followed):
    followed("dataset")
    assert Path("work_dirs/oim_r18_text/iter_3.pth").is_file()
    assert Config.fromfile("projects/mine/configs/oim_r18_text.py").train_dataloader.dataset.type == "TextDataset"


@pytest.mark.slow
def test_a_whole_paper(followed):
    followed("paper")
    assert Path("work_dirs/ian.png").is_file()
    log = next(Path("work_dirs/ian_r18_synth").glob("*/vis_data/scalars.json")).read_text()
    assert "loss_center" in log and "loss_id" in log
    assert len([path for path, _ in steps_of(PAGES / "paper.md") if path]) == 5


def test_the_files_are_in_the_style_of_the_package(checkout):
    for page in ("loss", "ranking", "dataset", "paper"):
        write_files(page)
    for check in (["check"], ["format", "--check", "--diff"]):
        ours = 'lint.isort.known-first-party=["mmpersonsearch", "projects"]'  # of which the stand-in has no folder
        options = ["--config", str(ROOT / "pyproject.toml"), "--config", ours]
        command = [sys.executable, "-m", "ruff", *check, *options, "projects", "tests"]
        done = subprocess.run(command, cwd=checkout, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
