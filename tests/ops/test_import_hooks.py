import importlib.util
import subprocess
import sys

import pytest
import torch

WORKS = "import torchvision.transforms.v2.functional as F; print(tuple(F.resize(torch.zeros(3, 4, 4), [2, 2]).shape))"


def run(code, **options):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, **options)


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="torchvision is not installed")
@pytest.mark.parametrize(
    "first", ["import mmpersonsearch, torch", "import torch, mmpersonsearch", "import mmdet, torch, mmpersonsearch"]
)
def test_torchvision_imports_and_resizes(first):
    done = run(f"{first}\n{WORKS}")
    assert done.stdout.strip() == "(3, 2, 2)", done.stderr


@pytest.mark.skipif(torch.version.cuda is not None, reason="PyTorch has CUDA: its torchvision loads by itself")
@pytest.mark.parametrize("message", ["something else is wrong", "operator torchvision::roi_align does not exist"])
def test_other_errors_of_torchvision_are_not_hidden(tmp_path, message):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision/__init__.py").write_text(f"raise RuntimeError({message!r})")
    done = run("import mmpersonsearch, torchvision", cwd=tmp_path)
    assert done.stderr.strip().splitlines()[-1] == f"RuntimeError: {message}"


def test_absent_torchvision_is_absent():
    code = "import sys, mmpersonsearch; sys.path[:] = []; import torchvision"
    assert run(code).stderr.strip().splitlines()[-1] == "ModuleNotFoundError: No module named 'torchvision'"


def test_the_finder_is_installed_once():
    code = (
        "import importlib, sys, mmpersonsearch; importlib.reload(mmpersonsearch)\n"
        "print([type(one).__name__ for one in sys.meta_path].count('TorchvisionFinder'), 'torch' in sys.modules)"
    )
    done = run(code)
    assert done.stdout.split() == ["1", "False"], done.stderr
