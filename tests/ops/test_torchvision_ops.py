import importlib.util
import subprocess
import sys

import pytest
import torch

TORCHVISION_WORKS = """
from mmpersonsearch.ops.torchvision_ops import declare_torchvision_ops
declare_torchvision_ops()
declare_torchvision_ops()
import torch, torchvision.transforms.v2.functional as F
print(tuple(F.resize(torch.zeros(3, 4, 4), [2, 2]).shape))
"""


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="torchvision is not installed")
def test_torchvision_imports_and_resizes():
    done = run(TORCHVISION_WORKS)
    assert done.stdout.strip() == "(3, 2, 2)", done.stderr


@pytest.mark.skipif(torch.version.cuda is not None, reason="PyTorch has CUDA: its torchvision loads by itself")
def test_other_errors_of_torchvision_are_not_hidden():
    code = """
import builtins
real = builtins.__import__
def broken(name, *args, **kwargs):
    if name == "torchvision":
        raise RuntimeError("something else is wrong")
    return real(name, *args, **kwargs)
from mmpersonsearch.ops.torchvision_ops import declare_torchvision_ops
builtins.__import__ = broken
declare_torchvision_ops()
"""
    assert "something else is wrong" in run(code).stderr


@pytest.mark.skipif(torch.version.cuda is not None, reason="PyTorch has CUDA: its torchvision loads by itself")
def test_absent_torchvision_is_no_error():
    code = """
import importlib.util
importlib.util.find_spec = lambda name: None
from mmpersonsearch.ops.torchvision_ops import declare_torchvision_ops
declare_torchvision_ops()
print("fine")
"""
    assert run(code).stdout.strip() == "fine"
