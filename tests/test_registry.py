import subprocess
import sys

import pytest

import mmpersonsearch
from mmpersonsearch import registry

BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name.split(".")[0])

sys.meta_path.insert(0, Blocker())
{code}
"""


def run_without(blocked, code):
    script = BLOCKED.format(blocked=blocked, code=code)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)


def test_importing_the_package_is_light():
    done = run_without(
        ("torch", "torchvision", "mmengine", "mmcv", "mmdet", "mmpretrain"),
        "import mmpersonsearch; print(mmpersonsearch.__version__)",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == mmpersonsearch.__version__


def test_mathematics_needs_neither_mmcv_nor_mmdetection():
    modules = ("evaluation", "structures", "models.memories", "models.losses", "utils.checkpoint", "visualization")
    code = "\n".join(f"import mmpersonsearch.{module}" for module in modules)
    done = run_without(("mmcv", "mmdet", "mmpretrain"), code)
    assert done.returncode == 0, done.stderr


def test_blocking_works():
    assert "No module named 'mmdet" in run_without(("mmdet",), "import mmdet.models").stderr


def test_other_import_errors_of_mmdetection_are_not_hidden(tmp_path):
    (tmp_path / "mmdet").mkdir()
    (tmp_path / "mmdet/__init__.py").write_text("import its_own_missing_part")
    code = f"sys.path.insert(0, {str(tmp_path)!r}); from mmpersonsearch.registry import MODELS; MODELS.get('ResNetIBN')"
    assert "No module named 'its_own_missing_part'" in run_without((), code).stderr


@pytest.mark.parametrize(
    "kind", ["DATASETS", "DATA_SAMPLERS", "TRANSFORMS", "MODELS", "HOOKS", "METRICS", "VISUALIZERS"]
)
def test_registries_are_children_of_mmdetections(kind):
    import mmdet.registry

    ours = getattr(registry, kind)
    assert ours.scope == "mmpersonsearch"
    assert ours.parent is getattr(mmdet.registry, kind)


FRESH = """
import sys
from mmpersonsearch.registry import METRICS, MODELS as OURS, RANKINGS
from mmengine.registry import HOOKS, MODELS, TASK_UTILS, DefaultScope

assert "mmdet" not in sys.modules
# Members are found without importing their folder.
found = [METRICS.get("PersonSearchMetric"), RANKINGS.get("RankingWithContextPersons"), OURS.get("ResNetIBN")]
print(*(one.__name__ for one in [*found, OURS.get("mmdet.Shared2FCBBoxHead")]))
# Parts are built by the default scope alone, as the runner sets it.
DefaultScope.get_instance("test", scope_name="mmpersonsearch")
built = [MODELS.build(dict(type=kind)) for kind in ("mmdet.L1Loss", "ContrastiveLoss", "ReLU")]
built.append(HOOKS.build(dict(type="TrainingSeedHook")))
# MMDetection's own tools are found where ours are rankings.
built.append(TASK_UTILS.build(dict(type="BboxOverlaps2D")))
print(*(type(one).__name__ for one in built))
"""


def test_members_are_found_and_built_in_a_fresh_process():
    done = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    # Nothing else: MMDetection would tell that optional packages are missing.
    assert done.stdout.splitlines() == [
        "PersonSearchMetric RankingWithContextPersons ResNetIBN Shared2FCBBoxHead",
        "L1Loss ContrastiveLoss ReLU TrainingSeedHook BboxOverlaps2D",
    ]
    assert "Failed to" not in done.stderr and "faster_coco_eval" not in done.stderr


def test_packages_that_do_not_fit_each_other_are_named(tmp_path):
    (tmp_path / "mmdet").mkdir()
    (tmp_path / "mmdet/__init__.py").write_text("assert False, 'MMCV==2.2.0 is used but incompatible'")
    code = f"sys.path.insert(0, {str(tmp_path)!r}); from mmpersonsearch.registry import MODELS; MODELS.get('ResNetIBN')"
    message = run_without((), code).stderr
    assert "ImportError: MMCV==2.2.0 is used but incompatible\nInstalled: " in message and "mmdet==3.3.0" in message
