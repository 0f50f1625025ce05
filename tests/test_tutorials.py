"""The notebooks of ``tutorials/`` have no outputs, and run from top to bottom."""

import os
import sys
from pathlib import Path

import pytest
from tiny_models import ROOT

nbformat = pytest.importorskip("nbformat", reason="notebooks need nbformat and nbclient, of the extra dev")
nbclient = pytest.importorskip("nbclient", reason="notebooks need nbformat and nbclient, of the extra dev")

NOTEBOOKS = sorted((ROOT / "tutorials").glob("*.ipynb"))


def test_the_tutorials_are_there():
    assert [path.stem for path in NOTEBOOKS] == ["search_your_pictures", "train_on_your_data", "write_a_loss"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert path.stat().st_size < 20_000
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    for cell in notebook.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None and not cell.metadata


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_tutorial_runs(path, tmp_path, monkeypatch, request):
    """As in a checkout, whose root it enters first; the first one by the exported networks of the samples."""
    if path.stem == "search_your_pictures":
        weights = request.getfixturevalue("samples_root") / "weights"
        monkeypatch.setenv("DETECTOR_WEIGHTS", str(weights / "yolox_nano_coco.onnx"))
        monkeypatch.setenv("REID_WEIGHTS", str(weights / "osnet_x0_25_msmt17.onnx"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("SYNTH_WEIGHTS", "none")
    for name in ("configs", "projects"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "tutorials").mkdir()
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path / "tutorials")}}
    nbclient.NotebookClient(notebook, timeout=600, resources=resources).execute()
    last = [cell for cell in notebook.cells if cell.cell_type == "code"][-1]
    assert last.outputs
