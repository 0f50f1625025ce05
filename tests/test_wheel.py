"""The package as it is distributed: built, installed into a clean environment and used without the repository."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from mmpersonsearch import __version__

ROOT = Path(__file__).resolve().parents[1]
PROJECT = "projects/synthetic_benchmark"
SOURCES = (
    *("mmpersonsearch", "configs", "tools", "projects"),
    *("setup.py", "pyproject.toml", "MANIFEST.in", "model-index.yml"),
    *("README.md", "LICENSE", "CITATION.cff", "CHANGELOG.md"),
)
# Which of the configs that a user inherits from are read and built.
LEAVES = (
    "tdn/tdn_r50ibn_prw_baseline.py",
    "tdn/tdn_r18ibn_synth.py",
    "oim/oim_r18_synth_kd-det.py",
    "fdps/fdps_r18_synth_boim.py",
    "two_step/faster-rcnn_bot_synth.py",
    "reid/bot_r18ibn_synth.py",
)
INHERIT = """
import json, runpy, sys
from pathlib import Path

import mmpersonsearch

assert "torch" not in sys.modules
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.config_files import find_config


def without_scopes(value):
    if isinstance(value, dict):
        return {key: without_scopes(item) for key, item in value.items() if key != "_scope_"}
    return [without_scopes(item) for item in value] if isinstance(value, (list, tuple)) else value


parameters = {}
for leaf in json.loads(sys.argv[1]):
    # MMEngine looks in .mim/configs only.
    folder = "_base_/../../projects/synthetic_benchmark/configs/" if "synth" in leaf else ""
    base = f'_base_ = "mmpersonsearch::{folder}{leaf}"\\n'
    Path("mine.py").write_text(base + 'work_dir = "mine"\\nold = _base_.default_scope\\n')
    mine, theirs = Config.fromfile("mine.py"), Config.fromfile(find_config(leaf))
    assert (mine.pop("work_dir"), mine.pop("old")) == ("mine", "mmpersonsearch")
    assert without_scopes(mine.to_dict()) == without_scopes(theirs.to_dict()), leaf
    init_default_scope(mine.default_scope)
    shapes = [{k: tuple(v.shape) for k, v in MODELS.build(c.model).state_dict().items()} for c in (mine, theirs)]
    assert shapes[0] == shapes[1], leaf
    parameters[leaf] = len(shapes[0])
exec(Path("example.py").read_text(), {})

from mmpersonsearch.cli import flops

tool = Path(mmpersonsearch.__file__).parent / ".mim/tools/analysis_tools/get_flops.py"
assert runpy.run_path(str(tool))["main"] is flops.main
flops.main(["tdn_r18ibn_synth_wo-teacher", "--shape", "96", "128", "--json"])
files = [getattr(module, "__file__", None) for name, module in sys.modules.items() if "mmpersonsearch" in name]
print(json.dumps(dict(package=mmpersonsearch.__file__, files=files, path=sys.path, parameters=parameters)))
"""


def run(*command, cwd, **env):
    """Standard output of a command that must succeed; of this process's environment, PYTHONPATH is withheld."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | env
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the checkout's sources, as in a clone."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


def build(what, checkout, out):
    """A distribution of the given kind, built by setuptools without the network; the name of its file."""
    code = f"import sys; from setuptools import build_meta; print(build_meta.build_{what}(sys.argv[1]))"
    return out / run(sys.executable, "-c", code, out, cwd=checkout).splitlines()[-1]


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory):
    """The wheel, built from the source distribution of a checkout that is installed in editable mode."""
    out = tmp_path_factory.mktemp("dist")
    build("editable", checkout, out)
    sdist = build("sdist", checkout, out)
    shutil.unpack_archive(sdist, out)
    assert not (out / sdist.name.removesuffix(".tar.gz") / "mmpersonsearch/.mim").exists()
    options = ["--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", out / "wheel"]
    run(sys.executable, "-m", "pip", "wheel", *options, out / sdist.name.removesuffix(".tar.gz"), cwd=out)
    (path,) = (out / "wheel").iterdir()
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A new environment with the wheel; it borrows other packages from the running one, but no editable install."""
    folder = tmp_path_factory.mktemp("clean") / "env"
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    # A path in a .pth file is searched, the .pth files in it are not read: what they install stays outside.
    borrowed = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (site_packages / "borrowed.pth").write_text("\n".join(borrowed))
    options = ["--python", folder / "bin/python", "install", "--no-deps", "--no-index", "--no-compile"]
    run(sys.executable, "-m", "pip", *options, wheel, cwd=folder.parent)
    return folder


def test_the_wheel_has_configs_tools_and_index(wheel):
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        index = yaml.safe_load(file.read("mmpersonsearch/.mim/model-index.yml"))
        metafiles = [yaml.safe_load(file.read(f"mmpersonsearch/.mim/{path}")) for path in index["Import"]]
    assert wheel.name.startswith(f"mmpersonsearch-{__version__}-")
    assert "mmpersonsearch/py.typed" in names
    missing = [
        path
        for folder in ("configs", "tools", *(f"{PROJECT}/{part}" for part in ("configs", "generator", "run")))
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and f"mmpersonsearch/.mim/{path.relative_to(ROOT)}" not in names
    ]
    assert missing == []
    assert not [name for name in names if "/results/" in name or "/notes/" in name or "tattoo" in name]
    named = {model["Config"] for metafile in metafiles for model in metafile["Models"]}
    assert named and {f"mmpersonsearch/.mim/{name}" for name in named} <= names
    assert not [name for name in names if name.startswith(("tests", "docs", "build")) or "__pycache__" in name]


def test_editable_installs_see_the_checkouts_files(wheel, checkout):
    """Builds, an editable one among them, leave the links as they are."""
    for name in ("configs", "tools", "projects", "model-index.yml"):
        assert (checkout / "mmpersonsearch/.mim" / name).is_symlink()
        assert (checkout / "mmpersonsearch/.mim" / name).resolve() == checkout / name


def test_the_command_lists_configs_and_finds_them_by_name(installed, tmp_path):
    command = installed / "bin/mmpersonsearch"
    assert run(command, "--version", cwd=tmp_path) == f"mmpersonsearch {__version__}\n"
    listed = [line.split() for line in run(command, "configs", cwd=tmp_path).splitlines()]
    files = [*ROOT.glob("configs/*/*.py"), *ROOT.glob(f"{PROJECT}/configs/*/*.py")]
    expected = {path.stem for path in files if path.parent.name != "_base_"}
    assert {name for name, _ in listed} == expected
    assert all(Path(path).is_relative_to(installed) and Path(path).is_file() for _, path in listed)


def test_the_package_is_used_without_the_repository(installed, tmp_path):
    """Configs inherit from those of the package, models are built and run, the worked example of the docs is right."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/concepts/protocol.md").read_text(), re.S)
    (tmp_path / "example.py").write_text("\n".join(blocks))
    (tmp_path / "inherit.py").write_text(INHERIT)
    printed = run(installed / "bin/python", "-I", "inherit.py", json.dumps(LEAVES), cwd=tmp_path, SYNTH_WEIGHTS="none")
    report = json.loads(printed.splitlines()[-1])
    assert Path(report["package"]).is_relative_to(installed) and str(ROOT) not in report["path"]
    assert [file for file in report["files"] if file and not Path(file).is_relative_to(installed)] == []
    assert report["parameters"].keys() == set(LEAVES) and min(report["parameters"].values()) > 50
