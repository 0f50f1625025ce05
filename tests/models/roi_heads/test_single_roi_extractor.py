import mmcv.ops
import pytest
import torch
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor as MMDetSingleRoIExtractor
from mmengine.registry import DefaultScope

from mmpersonsearch.models.roi_heads import SingleRoIExtractor
from mmpersonsearch.ops import roi_layers
from mmpersonsearch.registry import MODELS

LAYERS = [
    dict(type="RoIAlign", output_size=7, sampling_ratio=2),
    dict(type="RoIAlign", output_size=(14, 7), sampling_ratio=0),
    dict(type="RoIPool", output_size=(5, 3)),
]
ROIS = torch.tensor([[1, 3.0, 7, 90, 140], [0, -8, 20, 61.5, 170], [0, 40, 40, 44, 60], [1, 5, 5, 160, 200]])


def build_both(roi_layer, strides=(8,)):
    settings = dict(roi_layer=roi_layer, out_channels=4, featmap_strides=list(strides))
    with DefaultScope.overwrite_default_scope("mmpersonsearch"):
        both = [
            MODELS.build(dict(type=kind, **settings)) for kind in ("SingleRoIExtractor", "mmdet.SingleRoIExtractor")
        ]
    assert [type(one) for one in both] == [SingleRoIExtractor, MMDetSingleRoIExtractor]
    return both


def draw_maps(strides=(8,), layout=torch.contiguous_format):
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(2, 4, 200 // stride, 160 // stride, generator=generator) for stride in strides]
    return tuple(one.contiguous(memory_format=layout).requires_grad_() for one in maps)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("factor", [None, 1.25])
@pytest.mark.parametrize("strides", [(8,), (8, 16)])
@pytest.mark.parametrize("roi_layer", LAYERS, ids=lambda layer: layer["type"])
def test_values_and_gradients_are_mmdetections(roi_layer, strides, factor, layout):
    ours, theirs = build_both(roi_layer, strides)
    maps = draw_maps(strides, layout)
    if factor is not None and len(strides) == 1:
        rois = theirs.roi_rescale(ROIS, factor)  # with one map MMDetection's does not rescale
    else:
        rois = ROIS
    output, expected = ours(maps, ROIS, factor), theirs(maps, rois, factor)
    assert torch.allclose(output, expected, atol=1e-6)
    weights = torch.randn_like(expected)
    gradients, wanted = (torch.autograd.grad((one * weights).sum(), maps) for one in (output, expected))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(gradients, wanted))


def test_rois_keep_their_precision_on_a_map_of_half_precision():
    ours, _ = build_both(LAYERS[0])
    (maps,) = draw_maps()
    rois = ROIS / 1.37 + torch.tensor([0, 0.3, 0.2, 0.3, 0.2])
    rois[:, 0] = ROIS[:, 0]
    half = maps.bfloat16()
    assert torch.equal(ours((half,), rois), ours((half.float(),), rois).bfloat16())


@pytest.mark.parametrize("roi_layer", LAYERS, ids=lambda layer: layer["type"])
def test_no_rois(roi_layer):
    ours, _ = build_both(roi_layer)
    output = ours(draw_maps(), ROIS[:0])
    assert output.shape == (0, 4, *ours.roi_layers[0].output_size)
    assert output.requires_grad


def test_other_layers_are_mmcvs():
    ours, _ = build_both(dict(type="PrRoIPool", output_size=7))
    assert type(ours.roi_layers[0]) is mmcv.ops.PrRoIPool


def test_the_layers_are_kinds_of_mmcvs():
    for roi_layer in LAYERS:
        assert isinstance(build_both(roi_layer)[0].roi_layers[0], getattr(mmcv.ops, roi_layer["type"]))


@pytest.mark.parametrize("kind", ["RoIAlign", "RoIPool"])
def test_no_rois_are_none_of_the_compiled_operators(kind, monkeypatch):
    """A GPU refuses to run a kernel on nothing; the map gets a gradient all the same."""
    monkeypatch.setattr(roi_layers, "_use_compiled", lambda maps: True)
    monkeypatch.setattr(getattr(mmcv.ops, kind), "forward", lambda *_: pytest.fail("compiled"))
    maps = torch.randn(2, 5, 6, 7, requires_grad=True)
    found = getattr(roi_layers, kind)((4, 3))(maps, torch.zeros(0, 5))
    assert found.shape == (0, 5, 4, 3)
    found.sum().backward()
    assert torch.equal(maps.grad, torch.zeros_like(maps))
