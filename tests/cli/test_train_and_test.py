import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmpersonsearch.cli import check, rank, test, train

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / "projects/synthetic_benchmark/configs/tdn/tdn_r18ibn_synth_oim-star.py")

# A model, a data set and a metric of a few lines: what is tested is the tools.
TINY = """
import json
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS

@MODELS.register_module()
class TinyModel(BaseModel):
    def __init__(self, width=1):
        super().__init__()
        self.linear = torch.nn.Linear(width, 1)

    def forward(self, inputs, mode="tensor"):
        outputs = self.linear(torch.stack(list(inputs)))
        return dict(loss=(outputs**2).mean()) if mode == "loss" else [dict(value=v) for v in outputs]

@DATASETS.register_module()
class TinyDataset(torch.utils.data.Dataset):
    metainfo = dict(classes=("person",))

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return dict(inputs=torch.full((1,), float(index)))

@METRICS.register_module()
class TinyMetric(BaseMetric):
    default_prefix = "tiny"

    def process(self, data_batch, data_samples):
        self.results += [float(sample["value"]) for sample in data_samples]

    def compute_metrics(self, results):
        return dict(sum=sum(results))
"""
TINY_CONFIG = """
custom_imports = dict(imports=["tiny_parts"])
model = dict(type="TinyModel")
sampler = dict(type="DefaultSampler", shuffle=False)
loader = dict(batch_size=2, num_workers=0, dataset=dict(type="TinyDataset"), sampler=sampler)
train_dataloader = loader
test_dataloader = loader
test_evaluator = dict(type="TinyMetric")
train_cfg = dict(by_epoch=True, max_epochs=1)
test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.1))
default_scope = "mmengine"
"""


def run(verb, *args, cwd, **env):
    return subprocess.run(
        [sys.executable, "-m", "mmpersonsearch", verb, *map(str, args)],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **env},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def tiny(tmp_path, monkeypatch, commands_in_process):
    """The current folder, with the config."""
    (tmp_path / "tiny_parts.py").write_text(TINY)
    (tmp_path / "tiny.py").write_text(TINY_CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_train_resume_and_test_from_another_folder(tiny, capsys):
    trained = run("train", "tiny.py", cwd=tiny)
    assert trained.returncode == 0, trained.stderr
    checkpoint = tiny / "work_dirs/tiny/epoch_1.pth"
    assert checkpoint.exists()

    train.main(["tiny.py", "--resume", "--cfg-options", "train_cfg.max_epochs=2", "resume=False"])
    assert "resumed epoch: 1" in capsys.readouterr().out
    assert (tiny / "work_dirs/tiny/epoch_2.pth").exists()

    test.main(["tiny.py", str(checkpoint), "--work-dir", "out"])
    weights = torch.load(checkpoint, weights_only=False)["state_dict"]
    expected = float(6 * weights["linear.weight"] + 4 * weights["linear.bias"])
    assert json.loads((tiny / "out/result.json").read_text())["tiny/sum"] == pytest.approx(expected, rel=1e-5)


def test_checkpoint_of_another_model_is_refused(tiny):
    torch.save(dict(state_dict={"linear.weight": torch.ones(1, 1)}), tiny / "half.pth")
    with pytest.raises(SystemExit, match=r"checkpoint half\.pth does not fit TinyModel: linear\.bias is missing"):
        test.main(["tiny.py", "half.pth"])


def test_out_needs_person_search(tiny):
    torch.save({"linear.weight": torch.ones(1, 1), "linear.bias": torch.ones(1)}, tiny / "whole.pth")
    with pytest.raises(SystemExit, match="--out writes predictions, expected a PersonSearchMetric or a Detection"):
        test.main(["tiny.py", "whole.pth", "--out", "p.pkl"])


@pytest.mark.parametrize(
    ("tool", "args", "message"),
    [
        (train, ("no.py",), "config file no.py does not exist"),
        (train, (CONFIG, "--resume", "no.pth"), "checkpoint no.pth does not exist"),
        (train, (CONFIG, "--cfg-options", "load_from=no.pth"), "checkpoint no.pth does not exist"),
        (test, ("no.py", "no.pth"), "config file no.py does not exist"),
        (test, (CONFIG, "no.pth"), "checkpoint no.pth does not exist"),
        (test, (CONFIG, "strange.pth"), "strange.pth is not loaded"),
        (
            train,
            ("part.py",),
            "config part.py has no model, train_dataloader, train_cfg, optim_wrapper, expected a whole",
        ),
        (test, ("part.py", "strange.pth"), "config part.py has no model, test_dataloader, test_evaluator, expected a"),
        (check, ("part.py",), "part.py has no train_dataloader, val_dataloader, test_dataloader"),
        (check, ("data.py",), "config data.py has no model, train_cfg, expected a whole config"),
        (rank, ("no.py", "p.pkl"), "config file no.py does not exist"),
        (rank, (CONFIG, "p.pkl"), "frames does not exist"),
    ],
)
def test_bad_input_ends_in_a_message(tmp_path, monkeypatch, commands_in_process, tool, args, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNTH_ROOT", str(tmp_path))
    Path("strange.pth").write_text("no checkpoint")
    Path("part.py").write_text("optimizer = dict(type='SGD')")
    Path("data.py").write_text("train_dataloader = dict(dataset=dict(type='PRWDataset'))")
    with pytest.raises(SystemExit, match=message):
        tool.main(list(args))


def test_a_message_is_all_that_is_seen(tmp_path):
    done = run("train", "no.py", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
