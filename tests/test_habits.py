"""What contributors rely on: CI and its mirror, hooks, forms, the image, the citation."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from check_files import find_faults, main

import mmpersonsearch

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/checks.yml").read_text())


def make_targets(text):
    return set(re.findall(r"^\s*(?:- run: )?make (\w+)$", text, re.M))


def test_the_workflow_mirrors_ci():
    targets = make_targets((ROOT / ".ci/run").read_text())
    assert {"lint", "types", "docs", "slow", "test"} <= targets
    assert make_targets((ROOT / ".github/workflows/checks.yml").read_text()) == targets
    known = set(re.findall(r"^(\w+):.*## ", (ROOT / "Makefile").read_text(), re.M))
    assert targets <= known


def test_the_workflow_has_the_whole_matrix():
    jobs = WORKFLOW["jobs"]
    assert jobs["tests"]["strategy"]["matrix"]["python"] == ["3.10", "3.11", "3.12"]
    matrix = jobs["packages"]["strategy"]["matrix"]
    assert (matrix["torch"], matrix["packages"]) == (["2.4", "current"], ["onedl", "openmmlab"])
    assert [one["packages"] for one in matrix["include"]] == ["none"]  # without MMDetection
    assert set(jobs["packages"]["env"]) >= {"TORCH", "PACKAGES"}
    for job in jobs.values():
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])
        assert [step["run"] for step in job["steps"] if "run" in step]


def test_hooks_are_local_and_installed_by_setup():
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
    hooks = {hook["id"]: hook["entry"] for hook in repos[0]["hooks"]}
    assert set(hooks) == {"ruff-check", "ruff-format", "codespell", "repository"}
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 reads no toml")
    dev = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["dev"]
    assert {Path(hooks[name].split()[0]).name for name in ("ruff-check", "codespell")} <= set(dev)


def test_the_hook_names_large_files_and_broken_yaml(tmp_path):
    large, broken, good = tmp_path / "a.bin", tmp_path / "b.yml", tmp_path / "c.yaml"
    large.write_bytes(bytes(500_000))
    broken.write_text("a: [1\n")
    good.write_text("a: 1\n---\nb: 2\n")
    faults = find_faults([large, broken, good])
    assert len(faults) == 2 and "a.bin: 500000 bytes, expected fewer than 500000" in faults[0]
    assert "b.yml: no YAML" in faults[1] and "expected ',' or ']'" in faults[1]
    with pytest.raises(SystemExit, match="no YAML"):
        main([str(broken), str(tmp_path / "deleted.yml")])


def test_issue_forms_are_forms():
    forms = [path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"]
    assert {path.stem for path in forms} == {"bug", "idea"}
    for path in forms:
        form = yaml.safe_load(path.read_text())
        assert form["name"] and form["description"]
        assert [one["type"] for one in form["body"]] and all(one["attributes"]["label"] for one in form["body"])


def test_the_citation_has_the_package_and_the_five_papers():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["cff-version"], citation["version"]) == ("1.2.0", mmpersonsearch.__version__)
    cited = {one["title"].lower() for one in citation["references"]}
    papers = yaml.safe_load((ROOT / "configs/papers.yml").read_text())
    assert len(cited) == len(papers) == 5
    assert cited == {re.sub(r"^\w+ et al\.: | \([^()]*\)$", "", one["paper"]).lower() for one in papers}
    for one in citation["references"]:
        folders = re.findall(r"(?:configs|projects)/\w+", one["notes"])
        assert folders and all((ROOT / folder).is_dir() for folder in folders)


def dockerfile():
    """Instructions and arguments of the image."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def test_the_image_is_written_in_dockers_words():
    instructions = [name for name, _ in dockerfile()]
    assert instructions[:2] == ["ARG", "FROM"]
    assert set(instructions) <= {"ARG", "FROM", "ENV", "COPY", "WORKDIR", "RUN", "ENTRYPOINT", "CMD"}
    assert dict(dockerfile())["ENTRYPOINT"] == '["mmpersonsearch"]'
    named = set(re.findall(r"requirements/[\w.]+", (ROOT / "Dockerfile").read_text()))
    assert named and all((ROOT / name).is_file() for name in named)
    assert [value.partition("=")[0] for name, value in dockerfile() if name == "ARG"] == [
        "PYTHON_VERSION",
        "TORCH_INDEX",
    ]


@pytest.fixture
def checkout(tmp_path):
    """What git tracks, in a folder of its own."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in filter(None, listed.stdout.split("\0")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name, follow_symlinks=False)
    return tmp_path


def run(command, cwd, **variables):
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")} | variables
    done = subprocess.run(["bash", "-ec", command], cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


TRIED = pytest.mark.skipif(
    not os.environ.get("MMPERSONSEARCH_TRY_ENVIRONMENTS"),
    reason="downloads gigabytes into new environments: set MMPERSONSEARCH_TRY_ENVIRONMENTS=1",
)


@TRIED
@pytest.mark.slow
def test_the_images_commands_run_in_a_new_environment(checkout, tmp_path_factory):
    env = tmp_path_factory.mktemp("image") / "env"
    run(f"{sys.executable} -m venv {env}", checkout)
    commands = [value for name, value in dockerfile() if name == "RUN"]
    assert len(commands) == 4
    # The image's PyTorch comes from PyTorch's own index; here from where pip is set to look.
    variables = dict(PATH=f"{env}/bin:{os.environ['PATH']}", PIP_CACHE_DIR=str(env / "cache"))
    for command in commands:
        output = run(command.replace('--extra-index-url "$TORCH_INDEX"', ""), checkout, **variables)
    assert output == f"mmpersonsearch {mmpersonsearch.__version__}\n"
    assert "tdn_r50ibn_prw" in run("mmpersonsearch configs tdn_r50", tmp_path_factory.mktemp("work"), **variables)


@TRIED
@pytest.mark.slow
@pytest.mark.parametrize("packages", ["openmmlab", "none"])
def test_other_packages_serve(checkout, packages):
    done = run(".ci/packages.sh", checkout, TORCH="current", PACKAGES=packages, PYTHON=sys.executable)
    assert re.search(r"\d+ passed", done) and "failed" not in done.replace("0 failed", "")
