"""The template becomes a project by the commands of ``projects/README.md``, and its config trains and tests."""

import json
import math
import re
import shutil
import subprocess
import sys

import pytest
import torch
from dataset_writers import write_prw
from tiny_models import ROOT

from mmpersonsearch.cli import train
from mmpersonsearch.utils.errors import InputError
from projects.template.template import TemplateLoss


def test_the_loss_is_that_of_its_formula():
    scores = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 0.5]], requires_grad=True)
    p = math.exp(2) / (math.exp(2) + 1 + math.exp(-1))
    expected = -((1 - p) ** 2) * math.log(p), -((2 / 3) ** 2) * math.log(1 / 3)
    person_ids = torch.tensor([0, 2])
    assert TemplateLoss()(scores, person_ids).item() == pytest.approx(sum(expected) / 2, rel=1e-5)
    assert TemplateLoss(loss_weight=3.0)(scores, person_ids, avg_factor=4.0).item() == pytest.approx(
        3 * sum(expected) / 4, rel=1e-5
    )
    assert TemplateLoss(gamma=0)(scores, person_ids).item() == pytest.approx(
        torch.nn.functional.cross_entropy(scores, person_ids).item()
    )
    nobody = TemplateLoss()(scores[:0], person_ids[:0])
    nobody.backward()
    assert nobody == 0 and (scores.grad == 0).all()
    with pytest.raises(InputError, match="gamma must be >= 0, got -1"):
        TemplateLoss(gamma=-1)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with the template and what its config inherits from, as the working folder."""
    shutil.copytree(ROOT / "configs/_base_", tmp_path / "configs/_base_")
    for name in ("template", "synthetic_benchmark/configs/_base_"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "projects" / name, tmp_path / "projects" / name, ignore=ignore)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_copy_under_another_name_trains_and_tests(checkout, monkeypatch, commands_in_process):
    (commands,) = re.findall(r"```bash\n(.*?)```", (ROOT / "projects/README.md").read_text(), re.S)
    subprocess.run(["bash", "-ec", commands], check=True)
    project = checkout / "projects/my_idea"
    files = sorted(str(path.relative_to(project)) for path in project.rglob("*") if path.is_file())
    assert files == ["README.md", "configs/tdn_r18ibn_my_idea.py", "my_idea/__init__.py", "my_idea/losses.py"]
    assert not [path for path in project.rglob("*.*") if "template" in path.read_text().lower()]

    monkeypatch.syspath_prepend(project)  # beside this checkout's projects, which are imported already
    config = project / "configs/tdn_r18ibn_my_idea.py"
    config.write_text(config.read_text().replace("projects.my_idea.my_idea", "my_idea"))
    monkeypatch.setenv("SYNTH_ROOT", f"{write_prw(checkout / 'data')}/")
    few = ["train_cfg.max_iters=1", "train_cfg.val_interval=1", "train_dataloader.batch_size=2"]
    here = [
        f"{split}_dataloader.{key}"
        for split in ("train", "val")
        for key in ("num_workers=0", "persistent_workers=False")
    ]
    small = [
        f"{where}.scale=(168,96)"
        for where in ("train_dataloader.dataset.pipeline.2", "val_dataloader.dataset.pipeline.1")
    ]
    train.main(
        [str(config), "--work-dir", "run", "--cfg-options", *few, *here, *small, "default_hooks.logger.interval=1"]
    )
    (log,) = (checkout / "run").glob("*/vis_data/scalars.json")
    trained, tested = (json.loads(line) for line in log.read_text().splitlines())
    assert 0 < trained["loss_id"] < 2 * math.log(150) and sys.modules["my_idea"].MyIdeaLoss
    assert {"person_search/mAP", "person_search/rcp/mAP", "detection/ap"} <= tested.keys()
