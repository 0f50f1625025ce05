import mmcv.ops
import pytest
import roi_references
import torch
from test_roi_align import LAYOUTS, draw
from torch.autograd import gradcheck

import mmpersonsearch.models  # noqa: F401  (before mmcv.ops is used)
from mmpersonsearch.ops import roi_pool as module
from mmpersonsearch.ops.roi_layers import RoIPool
from mmpersonsearch.ops.roi_pool import roi_pool

WRONG_WAY = [1, 60, 60, 20, 20]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("scale", [1 / 8, 1 / 3, 1 / 16])
@pytest.mark.parametrize("output_size", [(7, 7), (1, 1), (3, 5)])
def test_values_and_gradients_are_the_definitions(output_size, scale, layout):
    maps, rois = draw(layout=layout)
    rois = torch.cat((rois, rois.new_tensor([WRONG_WAY])))
    maps.requires_grad_()
    expected, places = roi_references.roi_pool(maps, rois, output_size, scale)
    weights = torch.randn_like(expected)
    (wanted,) = torch.autograd.grad((expected * weights).sum(), maps)
    for output in (
        roi_pool(maps, rois, output_size, scale)[0],
        RoIPool(output_size, scale)(maps, rois),
        mmcv.ops.RoIPool(output_size, scale)(maps, rois),
    ):
        assert torch.equal(output, expected)
        (gradient,) = torch.autograd.grad((output * weights).sum(), maps)
        assert torch.allclose(gradient, wanted, rtol=0, atol=1e-12)
    assert torch.equal(roi_pool(maps, rois, output_size, scale)[1].long(), places)
    assert (places[-1] == -1).all() and expected[-1].abs().max() == 0


def test_of_equal_values_the_first_gets_the_gradient():
    maps = torch.zeros(1, 1, 6, 6, requires_grad=True)
    output, argmax = roi_pool(maps, torch.tensor([[0, 1.0, 2, 4, 5]]), (1, 1))
    (gradient,) = torch.autograd.grad(output.sum(), maps)
    assert argmax.item() == 2 * 6 + 1
    assert gradient.nonzero().tolist() == [[0, 0, 2, 1]]


def test_gradcheck():
    maps, rois = draw(channels=1)
    maps = maps[:, :, :6, :5].clone().requires_grad_()
    assert gradcheck(lambda x: roi_pool(x, rois, (3, 2), 1 / 16)[0], maps)
    assert gradcheck(lambda x: mmcv.ops.roi_pool(x, rois, (3, 2), 1 / 16), maps)


def test_little_memory_changes_nothing(monkeypatch):
    maps, rois = draw()
    expected = roi_pool(maps, rois, (3, 5), 1 / 8)
    monkeypatch.setattr(module, "_MAX_VALUES", 1)
    assert all(map(torch.equal, roi_pool(maps, rois, (3, 5), 1 / 8), expected))


def test_no_rois_have_a_graph():
    maps = draw()[0].requires_grad_()
    output = RoIPool(7, 1 / 8)(maps, torch.zeros(0, 5))
    assert output.shape == (0, 3, 7, 7)
    assert torch.autograd.grad(output.sum(), maps)[0].abs().max() == 0
