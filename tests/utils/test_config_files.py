"""Configs by name, and as ``mmpersonsearch::``."""

import subprocess
import sys
from pathlib import Path

import pytest

from mmpersonsearch.utils import config_files
from mmpersonsearch.utils.config_files import find_config, list_configs

ROOT = Path(__file__).resolve().parents[2]
TDN = ROOT / "configs/tdn/tdn_r50ibn_prw.py"


@pytest.mark.parametrize("name", ["tdn_r50ibn_prw", "tdn_r50ibn_prw.py", "tdn/tdn_r50ibn_prw", "tdn/tdn_r50ibn_prw.py"])
def test_a_name_is_found_from_any_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Path(find_config(name)) == TDN


def test_a_name_with_a_dot():
    assert Path(find_config("oim_r18_prw_lambda-0.6")).name == "oim_r18_prw_lambda-0.6.py"


def test_all_configs_have_a_name_of_their_own():
    assert [path for path in list_configs() if find_config(path.stem) != str(path)] == []
    files = [*ROOT.glob("configs/*/*.py"), *ROOT.glob("projects/synthetic_benchmark/configs/*/*.py")]
    assert sorted(list_configs()) == sorted(path for path in files if path.parent.name != "_base_")


def test_a_file_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tdn_r50ibn_prw.py").write_text("a = 1")
    assert find_config("tdn_r50ibn_prw.py") == "tdn_r50ibn_prw.py"
    assert Path(find_config("tdn_r50ibn_prw")) == TDN
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_config("~/tdn_r50ibn_prw.py") == str(tmp_path / "tdn_r50ibn_prw.py")


@pytest.mark.parametrize("name", ["tdn_r50_prw", "configs/tdn/tdn_r50ibn_prv.py", "_base_/default_runtime"])
def test_what_does_not_exist_is_an_error_that_names_similar_ones(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    similar = "none; mmpersonsearch configs lists all" if "_base_" in name else ".*tdn_r50ibn_prw"
    message = rf"{name} does not exist \(looked for {tmp_path}/.*similar ones: {similar}"
    with pytest.raises(FileNotFoundError, match=message):
        find_config(name)


def test_several_of_a_name_are_an_error_that_names_them(tmp_path, monkeypatch):
    (tmp_path / ".mim/projects/synthetic_benchmark/configs").mkdir(parents=True)
    paths = [tmp_path / f".mim/configs/{folder}/same.py" for folder in ("first", "second")]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.touch()
    monkeypatch.setattr(config_files, "PACKAGE", tmp_path)
    with pytest.raises(ValueError, match=rf"several configs have the name same: {paths[0]}, {paths[1]}"):
        find_config("same")
    assert find_config("second/same") == str(paths[1])


def test_a_package_without_configs_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(config_files, "PACKAGE", tmp_path / "mmpersonsearch")
    with pytest.raises(FileNotFoundError, match="mmpersonsearch was installed without its configs"):
        list_configs()


IMPORTS = {
    "package first": "import mmpersonsearch; assert 'torch' not in sys.modules; import mmengine.config",
    "MMEngine first": "import mmengine.config; import mmpersonsearch",
    "twice": "import mmpersonsearch; mmpersonsearch.register_with_mmengine(); import mmengine.config",
}


@pytest.mark.parametrize("order", IMPORTS)
def test_mmengine_knows_the_package_in_any_order_of_import(order):
    code = f"""
import sys
before = len(sys.meta_path)
{IMPORTS[order]}
from mmengine.config.utils import MODULE2PACKAGE
print(MODULE2PACKAGE["mmpersonsearch"], [type(f).__name__ for f in sys.meta_path if "Table" in type(f).__name__])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "mmpersonsearch []\n", done.stderr
