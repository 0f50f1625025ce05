"""Folded models compute what the models compute, which stay as they are."""

import copy

import pytest
import torch
from mmcv.cnn import ConvModule
from mmdet.models.backbones.resnet import BasicBlock
from mmengine.config import Config
from mmengine.registry import init_default_scope
from tiny_models import NUM_IDS, draw_batch
from torch import nn

from mmpersonsearch.models.backbones import IBN, MultiBranchOSNet
from mmpersonsearch.models.folding import FoldedBlock, FoldedConv2d, fold_norms
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.config_files import find_config
from mmpersonsearch.utils.forward_modes import batch_norms

# One of each family.
SEARCHED = [
    *(f"{name}_r18_synth" for name in ("oim", "inet", "dc_inet", "fdps")),
    "tdn_r18ibn_synth_wo-teacher",
    "tdn_r18ibn_synth_oim-star",
    "faster-rcnn_bot_synth",
]
REID = ["agw_r18ibn_synth", "mgn_r18ibn_synth", "light-mbn"]
NETWORKS = ("backbone", "shared_head", "bridge", "part2")


def draw_norms(model, seed=0):
    """Norms as if trained."""
    g = torch.Generator().manual_seed(seed)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d | nn.InstanceNorm2d) and part.affine:
            part.weight.data.uniform_(0.5, 1.5, generator=g)
            part.bias.data.normal_(0, 0.3, generator=g)
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.3, generator=g)
            part.running_var.uniform_(0.5, 1.5, generator=g)
    return model


def build(name):
    if name == "light-mbn":  # its backbone
        return draw_norms(nn.ModuleDict(dict(backbone=MultiBranchOSNet(width=0.25)))).eval()
    cfg = Config.fromfile(find_config(name))
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    for part in (cfg.model.get("roi_head", {}).get("reid_head"), cfg.model.get("reid", {}).get("head")):
        if part:
            part.num_ids = NUM_IDS
    if cfg.model.get("head", {}).get("num_ids", 0) is None:
        cfg.model.head.num_ids = NUM_IDS
    return draw_norms(MODELS.build(cfg.model)).eval()


def maps_of(network, dtype, seed=0):
    """A network's maps of random ones."""
    first = next(part for part in network.modules() if isinstance(part, nn.Conv2d | FoldedConv2d))
    x = torch.randn(2, first.weight.shape[1], 48, 32, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    y = network(x)
    return y if isinstance(y, tuple) else (y,)


def networks(model):
    return [child for part in model.modules() for name, child in part.named_children() if name in NETWORKS]


@torch.no_grad()
@pytest.mark.parametrize("name", [*SEARCHED, *REID])
def test_models_compute_the_same(name):
    model = build(name)
    before = copy.deepcopy(model.state_dict())
    modes = [part.training for part in model.modules()]
    folded = fold_norms(model)
    for dtype, atol in ((torch.float32, 1e-4), (torch.float64, 1e-9)):
        ours, theirs = (networks(one) for one in (model.to(dtype), fold_norms(model)))
        assert len(ours) == len(theirs) > 0
        for one, other in zip(ours, theirs):
            for expected, found in zip(maps_of(one, dtype), maps_of(other, dtype), strict=True):
                scale = expected.abs().max()
                assert (found - expected).abs().max() < atol * scale
                assert found.is_contiguous(memory_format=torch.channels_last) and found.dtype == dtype
    assert [n for part in networks(folded) for n in batch_norms(part)] == []
    assert not any(isinstance(part, IBN) for part in folded.modules())
    model.float()
    assert before.keys() == model.state_dict().keys()
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert modes == [part.training for part in model.modules()] and not folded.training
    if name in SEARCHED:
        compare_persons(model, folded)


def compare_persons(model, folded):
    images, samples = draw_batch([3, 1], num_queries=[1, 1])
    boxes = [sample.gt_instances.bboxes for sample in samples]
    for expected, found in zip(model.embed(images, boxes), folded.embed(images, boxes), strict=True):
        assert torch.allclose(found, expected, atol=1e-4)
    if model.extract_feat(images):
        x, y = model.extract_feat(images)[0], folded.extract_feat(images)[0]
        assert torch.allclose(x, y, atol=1e-4 * float(x.abs().max()))


@torch.no_grad()
def test_pairs_of_qeeps():
    model = build("qeeps_r18_synth-mini")
    folded = fold_norms(model)
    images, _ = draw_batch([1, 1])
    shared = model.extract_shared(images), folded.extract_shared(images)
    kept = shared[1].clone()
    assert torch.allclose(*shared, atol=1e-4)
    assert torch.allclose(model.extract_feat(images)[0], folded.extract_feat(images)[0], atol=1e-4)
    assert torch.equal(shared[1], kept)  # maps that a search holds are not written over


@torch.no_grad()
def test_halves_of_ibn_by_hand():
    conv, norm = nn.Conv2d(3, 8, 3, padding=1, bias=True).double(), draw_norms(IBN(8)).double().eval()
    folded = FoldedConv2d(conv, norm, relu=True)
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    y = conv(x)
    first, second = y[:, :4], y[:, 4:]
    mean, var = first.mean((2, 3), keepdim=True), first.var((2, 3), unbiased=False, keepdim=True)
    first = (first - mean) / (var + 1e-5).sqrt() * norm.IN.weight[:, None, None] + norm.IN.bias[:, None, None]
    scale = norm.BN.weight / (norm.BN.running_var + 1e-5).sqrt()
    second = (second - norm.BN.running_mean[:, None, None]) * scale[:, None, None] + norm.BN.bias[:, None, None]
    assert torch.allclose(folded(x), torch.cat((first, second), 1).relu(), atol=1e-12)
    # The second half is in the weights.
    assert torch.allclose(folded.weight[:4], conv.weight[:4]) and torch.allclose(
        folded.weight[4:], conv.weight[4:] * scale[:, None, None, None]
    )


@torch.no_grad()
@pytest.mark.parametrize("norm", [nn.BatchNorm2d(6), IBN(6), nn.BatchNorm2d(6, affine=False)])
@pytest.mark.parametrize("relu", [False, True])
def test_sum_and_relu_in_one_pass(norm, relu):
    """As by PyTorch's plain layers, for float32 by oneDNN, and for what that does not take."""
    conv = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False)
    draw_norms(norm).eval()
    folded = FoldedConv2d(conv, norm, relu)
    x = torch.randn(3, 4, 9, 7).contiguous(memory_format=torch.channels_last)
    expected = norm(conv(x))
    shortcut = torch.randn_like(expected)
    added = expected + shortcut
    assert torch.allclose(folded(x), expected.relu() if relu else expected, atol=1e-5)
    kept = shortcut.clone()
    assert torch.allclose(folded(x, shortcut), added.relu() if relu else added, atol=1e-5)
    assert torch.equal(shortcut, kept)
    with torch.enable_grad():
        assert torch.allclose(folded(x, shortcut), added.relu() if relu else added, atol=1e-5)
    assert folded(x[:0]).shape == (0, *expected.shape[1:])
    assert torch.allclose(folded(x, shortcut, overwrite=True), added.relu() if relu else added, atol=1e-5)


@torch.no_grad()
def test_weights_that_change_and_bfloat16():
    conv, norm = nn.Conv2d(4, 6, 1), nn.BatchNorm2d(6).eval()
    folded, x = FoldedConv2d(conv, norm), torch.randn(1, 4, 5, 5)
    first = folded(x)
    folded.weight.mul_(2)
    assert torch.allclose(folded(x) - folded.bias[:, None, None], 2 * (first - folded.bias[:, None, None]), atol=1e-5)
    with torch.autocast("cpu"):
        half = folded(x)
    assert half.dtype == torch.bfloat16 and torch.allclose(half.float(), folded(x), atol=0.05)


def test_what_is_not_known_stays():
    class Reversed(nn.Module):  # the parts' order is not that of the computation
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

        def forward(self, x):
            return self.conv1(self.bn1(x))

    model = nn.Sequential(
        Reversed(),
        ConvModule(3, 3, 1, norm_cfg=dict(type="BN"), order=("norm", "conv", "act")),
        ConvModule(3, 3, 1, norm_cfg=dict(type="GN", num_groups=1)),
        ConvModule(3, 3, 1, norm_cfg=dict(type="BN"), act_cfg=dict(type="LeakyReLU")),
    )
    draw_norms(model).eval()
    folded = fold_norms(model)
    assert [type(part) for part in folded[:3]] == [Reversed, ConvModule, ConvModule]
    assert [len(batch_norms(part)) for part in folded] == [1, 1, 0, 0]
    assert isinstance(folded[3].conv, FoldedConv2d) and isinstance(model[3].conv, nn.Conv2d)
    x = torch.randn(2, 3, 4, 4)
    assert torch.allclose(folded(x), model(x), atol=1e-5)


def test_parts_are_shared_and_known_blocks_replaced():
    model = build("tdn_r18ibn_synth_oim-star")
    folded = fold_norms(model)
    assert folded.rpn_head.rpn_conv.weight is model.rpn_head.rpn_conv.weight
    assert all(isinstance(block, FoldedBlock) for block in folded.backbone.layer1)
    assert not any(isinstance(b, FoldedBlock) for b in model.modules())


@torch.no_grad()
def test_blocks_keep_their_input():
    """Which others may hold: only a shortcut of their own is written over."""
    block = FoldedBlock(BasicBlock(4, 4).eval())
    x = torch.randn(1, 4, 6, 6)
    kept = x.clone()
    block(x)
    assert torch.equal(x, kept)
