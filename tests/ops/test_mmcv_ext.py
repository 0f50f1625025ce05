"""How ``mmcv._ext`` is found, or stood in for."""

import importlib
import subprocess
import sys

import pytest
import torch

import mmpersonsearch.models  # noqa: F401
from mmpersonsearch.ops import mmcv_ext as stand_in
from mmpersonsearch.ops.mmcv_ops import is_compiled

COMPILED = is_compiled(importlib.import_module("mmcv._ext"))
only_without = pytest.mark.skipif(COMPILED, reason="MMCV is compiled here")
only_compiled = pytest.mark.skipif(not COMPILED, reason="MMCV is not compiled here")


def run(code, *args, cwd=None):
    command = [sys.executable, *(args or ("-c", code))]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=cwd)


@only_without
def test_the_user_imports_mmdet_first():
    done = run(
        "import mmdet, mmpersonsearch\n"
        "from mmdet.models.roi_heads import StandardRoIHead\n"
        "import mmcv._ext; print(mmcv._ext.__file__.endswith('mmcv_ext.py'))"
    )
    assert done.stdout.split() == ["True"], done.stderr


def test_the_finder_is_installed_once_and_does_not_import_torch():
    code = (
        "import importlib, sys, mmpersonsearch; importlib.reload(mmpersonsearch)\n"
        "print([type(one).__name__ for one in sys.meta_path].count('MMCVExtFinder'), 'torch' in sys.modules)"
    )
    done = run(code)
    assert done.stdout.split() == ["1", "False"], done.stderr


WORKERS = """
import torch
from mmengine.registry import init_default_scope
from mmpersonsearch.registry import DATASETS

class Pools(torch.utils.data.Dataset):
    def __len__(self):
        return 2
    def __getitem__(self, index):
        from mmcv.ops import roi_pool
        return roi_pool(torch.ones(1, 1, 8, 8), torch.tensor([[0, 0.0, 0, 7, 7]]), (2, 2)).sum()

if __name__ == "__main__":
    loader = torch.utils.data.DataLoader(Pools(), num_workers=1, multiprocessing_context="spawn")
    print([float(value) for value in loader])
"""


def test_spawned_data_workers(tmp_path):
    (tmp_path / "workers.py").write_text(WORKERS)
    done = run(None, "workers.py", cwd=tmp_path)
    assert done.stdout.strip() == "[4.0, 4.0]", done.stderr


@only_without
def test_another_operator_says_its_name_and_the_remedy():
    from mmcv.ops import DeformConv2d

    with pytest.raises(NotImplementedError, match=r"'deform_conv_forward'.*make setup OPS=compiled"):
        DeformConv2d(1, 1, 3)(torch.zeros(1, 1, 5, 5), torch.zeros(1, 18, 3, 3))


@only_without
def test_the_environment_can_be_collected():
    from mmcv.utils import collect_env

    env = collect_env()
    assert env["MMCV Compiler"] == env["MMCV CUDA Compiler"] == "not compiled"


def test_a_name_that_python_asks_for_is_missing():
    assert not hasattr(stand_in, "__path__")


BROKEN = """
import pathlib, sys, warnings
import mmcv
folder = pathlib.Path(sys.argv[1])
mmcv.__path__.insert(0, str(folder))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import mmpersonsearch.models
    mmpersonsearch.ops.mmcv_ops.prepare_mmcv_ops()
messages = [str(one.message) for one in caught if "compiled operators do not load" in str(one.message)]
print(len(messages), messages[0])
import mmcv.ops, torch
print(mmcv.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)[1])
"""


def test_a_compiled_module_that_does_not_load_is_named_once(tmp_path):
    import importlib.machinery

    (tmp_path / f"_ext{importlib.machinery.EXTENSION_SUFFIXES[0]}").write_bytes(b"compiled for something else")
    (tmp_path / "broken.py").write_text(BROKEN)
    done = run(None, str(tmp_path / "broken.py"), str(tmp_path))
    first, second = done.stdout.splitlines()
    assert first.startswith("1 MMCV's compiled operators do not load (") and "_ext" in first and "pip install" in first
    assert second == "tensor([0])"


@only_compiled
def test_a_compiled_module_is_used_but_for_rois_on_a_cpu():
    ext = importlib.import_module("mmcv._ext")
    assert not hasattr(ext.nms, "compiled")
    for name in ("roi_align_forward", "roi_align_backward", "roi_pool_forward", "roi_pool_backward"):
        assert callable(getattr(ext, name).compiled)
