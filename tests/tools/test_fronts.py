"""Each command has a script in ``tools/``, which runs the very same function."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from mmpersonsearch.cli.main import VERBS

TOOLS = Path(__file__).resolve().parents[2] / "tools"
FRONTS = {
    "train": "train.py",
    "test": "test.py",
    "check": "analysis_tools/check_config.py",
    "eval": "analysis_tools/eval_metric.py",
    "rank": "analysis_tools/show_ranking.py",
    "plot search": "analysis_tools/plot_search.py",
    "plot embeddings": "analysis_tools/plot_embeddings.py",
    "plot lambda": "analysis_tools/plot_lambda.py",
    "plot training": "analysis_tools/plot_training.py",
    "plot proposals": "analysis_tools/plot_proposals.py",
    "browse": "analysis_tools/browse_dataset.py",
    "crop": "dataset_converters/crop_reid.py",
    "to-coco": "dataset_converters/to_coco.py",
    "convert reid": "model_converters/convert_reid_checkpoint.py",
    "convert two-step": "model_converters/join_two_step.py",
    "make-lut": "model_converters/make_lut.py",
    "flops": "analysis_tools/get_flops.py",
    "on-boxes": "analysis_tools/test_on_boxes.py",
    "index": "index_pictures.py",
    "search": "search_pictures.py",
    "serve": "serve_page.py",
    "calibrate": "calibrate_search.py",
    "gallery info": "gallery/info.py",
    "gallery remove": "gallery/remove.py",
    "gallery check": "gallery/check.py",
}


def test_every_command_but_configs_has_a_front():
    assert [*FRONTS, "configs"] == list(VERBS)


@pytest.mark.parametrize(("verb", "front"), FRONTS.items())
def test_a_front_runs_the_command(verb, front, monkeypatch, capsys):
    module = f"mmpersonsearch.cli.{verb.replace(' ', '_').replace('-', '_')}"
    assert runpy.run_path(str(TOOLS / front))["main"] is __import__(module, fromlist=["main"]).main
    capsys.readouterr()  # what dependencies print when they are imported
    monkeypatch.setattr(sys, "argv", [front, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(TOOLS / front), run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: mmpersonsearch {verb} [-h]")


def test_a_front_is_run_as_a_script_from_any_folder(tmp_path):
    done = subprocess.run(
        [sys.executable, str(TOOLS / "train.py"), "no.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("mmpersonsearch train: config file no.py does not exist")


def test_no_module_of_the_package_imports_from_tools():
    names = {path.stem for path in TOOLS.rglob("*.py")}
    for path in (TOOLS.parent / "mmpersonsearch").rglob("*.py"):
        imported = [line.split()[1] for line in path.read_text().splitlines() if line.startswith(("import ", "from "))]
        assert not {name.split(".")[0] for name in imported} & (names | {"tools"}), path
