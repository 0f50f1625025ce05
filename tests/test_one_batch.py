"""How many files of the package a training step and a test enter on their way (``docs/concepts/one_batch.md``)."""

import re
import sys
from pathlib import Path

import pytest
import torch
from dataset_writers import write_prw
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

import mmpersonsearch
from mmpersonsearch.registry import METRICS, MODELS

PACKAGE = Path(mmpersonsearch.__file__).parent
DOCS = Path(__file__).resolve().parents[1] / "docs"


def files_entered(function):
    """Files of the package with a function that runs, without ``ops``, in whose place MMCV's compiled ones may run."""
    entered = set()

    def trace(frame, event, arg):
        entered.add(frame.f_code.co_filename)

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    own = [Path(name).relative_to(PACKAGE) for name in entered if Path(name).is_relative_to(PACKAGE)]
    # The log of a runner of another test filters its lines there.
    return {str(path) for path in own if path.parts[0] != "ops" and path.name != "console_runner.py"}


@pytest.fixture(scope="module")
def tdn(tmp_path_factory):
    """TDN's config on small images, its model and an optimizer; the teacher counts as loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IBN_R50_WEIGHTS", "none")
        cfg = Config.fromfile(DOCS.parent / "configs/tdn/tdn_r50ibn_prw.py")
    init_default_scope("mmpersonsearch")
    root = write_prw(tmp_path_factory.mktemp("one_batch") / "prw")
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        loader.update(num_workers=0, persistent_workers=False, batch_size=1)
        loader.dataset.data_root = str(root)
        next(step for step in loader.dataset.pipeline if step.type == "mmdet.Resize").scale = (160, 96)
    cfg.model.test_cfg.rcnn.max_per_img = 3  # an untrained detector finds a hundred
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.roi_head.reid_head.teacher.loaded = True
    return cfg, model


def test_a_training_step_enters_few_files(tdn):
    cfg, model = tdn
    loader = iter(Runner.build_dataloader(cfg.train_dataloader, seed=0))
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), 1e-4))
    entered = files_entered(lambda: model.train().train_step(next(loader), optimizer))
    assert "datasets/transforms.py" in entered
    assert {"models/losses", "models/teachers"} <= {str(Path(name).parent) for name in entered}
    assert len(entered) <= 25, sorted(entered)


def test_a_test_enters_few_files(tdn):
    cfg, model = tdn
    loader = Runner.build_dataloader(cfg.test_dataloader, seed=0)
    metric = METRICS.build(cfg.test_evaluator)
    metric.dataset_meta = loader.dataset.metainfo

    @torch.no_grad()
    def test():
        model.eval()
        for batch in loader:
            metric.process(batch, [sample.to_dict() for sample in model.test_step(batch)])
        assert "person_search/rcp/mAP" in metric.evaluate(len(loader.dataset))

    entered = files_entered(test)
    assert "evaluation/rankings/rcp.py" in entered
    assert len(entered) <= 22, sorted(entered)


def test_the_rooms_of_the_walk_exist():
    rooms = re.findall(
        r"`((?:datasets|engine|evaluation|models|ops|structures|cli)/[\w/.]*|registry\.py)`",
        (DOCS / "concepts/one_batch.md").read_text(),
    )
    assert len(rooms) > 20
    assert [room for room in rooms if not (PACKAGE / room).exists()] == []
