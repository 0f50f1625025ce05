"""A faster copy of the model is tested, and the runner keeps its own."""

from types import SimpleNamespace

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.hooks import EMAHook
from mmengine.registry import HOOKS
from tiny_models import build_model
from torch import nn

from mmpersonsearch.engine.fast_testing import FastTestingHook, compare_embeddings, make_fast
from mmpersonsearch.models.folding import FoldedConv2d
from mmpersonsearch.utils.errors import InputError


@pytest.fixture(scope="module")
def model():
    model = build_model("_oim-star")
    model.roi_head.test_cfg.update(score_thr=-1.0, max_per_img=4)
    return model


@pytest.fixture
def batch():
    meta = dict(img_shape=(96, 128), ori_shape=(96, 128), scale_factor=(1.0, 1.0))
    image = torch.randint(0, 256, (3, 96, 128), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return dict(inputs=[image], data_samples=[DetDataSample(metainfo=meta)])


def runner_of(model, fp16=False):
    lines = []
    logger = SimpleNamespace(info=lines.append)
    return SimpleNamespace(model=model, test_loop=SimpleNamespace(fp16=fp16), logger=logger), lines


@pytest.mark.parametrize("fp16", [False, True])
def test_the_runner_gets_its_model_back(model, batch, fp16):
    model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    runner, lines = runner_of(model, fp16)
    hook = FastTestingHook()
    hook.before_test_epoch(runner)
    assert runner.model is not model and isinstance(runner.model.backbone.conv1, FoldedConv2d)
    assert model.training and not runner.model.training
    hook.before_test_iter(runner, 0, batch)
    hook.before_test_iter(runner, 1, batch)
    runner.model.test_step(batch)
    hook.after_test_epoch(runner)
    assert runner.model is model and isinstance(model.backbone.conv1, nn.Conv2d)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert len(lines) == fp16 and all("4 persons have a cosine of at least 0.99" in line for line in lines)


def test_a_wrapped_model(model):
    wrapper = nn.DataParallel(model)
    runner, _ = runner_of(wrapper)
    hook = FastTestingHook()
    hook.before_test_epoch(runner)
    assert runner.model is wrapper and isinstance(wrapper.module.backbone.conv1, FoldedConv2d)
    hook.after_test_epoch(runner)
    assert wrapper.module is model


def test_averaged_weights_are_exchanged_before():
    """EMAHook has the model test its averages: what is folded are these."""
    assert HOOKS.get("EMAHook").before_test_epoch is EMAHook.before_test_epoch
    order = ["HIGHEST", "VERY_HIGH", "HIGH", "ABOVE_NORMAL", "NORMAL", "BELOW_NORMAL", "LOW", "VERY_LOW", "LOWEST"]
    assert order.index(FastTestingHook.priority) > order.index(EMAHook.priority)


def test_differences_are_measured(model, batch):
    number, cosine = compare_embeddings(model, make_fast(model), batch)
    assert number == 4 and cosine == pytest.approx(1, abs=1e-5)
    other = make_fast(model)
    other.backbone.conv1.weight.normal_()  # its own: the model has other weights
    assert compare_embeddings(model, other, batch)[1] < 0.999
    assert compare_embeddings(model, make_fast(model), batch)[1] == pytest.approx(1, abs=1e-5)


def test_compilation(model, batch, monkeypatch):
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda self: compiled.append(self))
    fast = make_fast(model, compile=True)
    assert compiled == [fast.backbone, fast.roi_head.shared_head]
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(InputError, match=r"needs a C\+\+ compiler, and there is no no-such-compiler: install one"):
        make_fast(model, compile=True)
    make_fast(model, compile=True, device="cuda")
