import mmcv.ops
import mmcv_cases
import pytest
import roi_references
import torch
from torch.autograd import gradcheck

import mmpersonsearch.models  # noqa: F401  (before mmcv.ops is used)
from mmpersonsearch.ops.roi_align import roi_align
from mmpersonsearch.ops.roi_layers import RoIAlign

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def draw(dtype=torch.float64, layout=torch.contiguous_format, channels=3):
    generator = torch.Generator().manual_seed(0)
    batch, _, height, width = mmcv_cases.SIZE
    maps = torch.randn(batch, channels, height, width, generator=generator, dtype=torch.float64)
    return maps.to(dtype).contiguous(memory_format=layout), torch.tensor(mmcv_cases.ROIS, dtype=dtype)


@pytest.fixture(params=["sums", "resampling"], autouse=True)
def implementation(request, monkeypatch):
    """Both ways, whatever the number of channels."""
    monkeypatch.setattr("mmpersonsearch.ops.roi_align._FEW_CHANNELS", 0 if request.param == "sums" else 100)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling_ratio", [0, 1, 3])
@pytest.mark.parametrize("output_size", [(5, 3), (1, 1)])
def test_values_and_gradients_are_the_definitions(output_size, sampling_ratio, aligned, layout):
    maps, rois = draw(layout=layout)
    options = (output_size, 1 / 8, sampling_ratio, aligned)
    maps.requires_grad_()
    output = roi_align(maps, rois, *options)
    expected = roi_references.roi_align(maps, rois, *options)
    assert torch.allclose(output, expected, rtol=0, atol=1e-10)
    weights = torch.randn_like(expected)
    (gradient,), (wanted,) = (torch.autograd.grad((one * weights).sum(), maps) for one in (output, expected))
    assert torch.allclose(gradient, wanted, rtol=0, atol=1e-10)
    assert output[2].abs().max() == 0  # far beyond the map


def test_gradcheck():
    maps, rois = draw(channels=1)
    maps = maps[:, :, :6, :5].clone().requires_grad_()
    assert gradcheck(lambda x: roi_align(x, rois, (3, 2), 1 / 16, 0), maps)
    assert gradcheck(lambda x: mmcv.ops.roi_align(x, rois, (3, 2), 1 / 16, 2, "avg", False), maps)


def test_a_map_that_is_linear_gives_the_cells_centres():
    y, x = torch.meshgrid(torch.arange(20.0), torch.arange(30.0), indexing="ij")
    maps = torch.stack((x, y))[None] + 0.5  # the pixels' centres
    output = roi_align(maps, torch.tensor([[0, 4.0, 6, 24, 16]]), (2, 4))
    assert torch.allclose(output[0, 0], torch.tensor([6.5, 11.5, 16.5, 21.5]).expand(2, 4), atol=1e-5)
    assert torch.allclose(output[0, 1], torch.tensor([[8.5], [13.5]]).expand(2, 4), atol=1e-5)


@pytest.mark.parametrize("sampling_ratio", [0, 2])
def test_rois_do_not_depend_on_each_other(sampling_ratio):
    maps, rois = draw()
    together = roi_align(maps, rois, (5, 4), 1 / 8, sampling_ratio)
    for i in range(len(rois)):
        alone = roi_align(maps, rois[i : i + 1], (5, 4), 1 / 8, sampling_ratio)
        assert torch.allclose(together[i : i + 1], alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize("limit", [1, 300, 2000])
def test_little_memory_changes_nothing(monkeypatch, limit):
    maps, rois = draw()
    maps.requires_grad_()
    expected = roi_align(maps, rois, (5, 4), 1 / 8)
    monkeypatch.setattr("mmpersonsearch.ops.pixel_sums._MAX_SUMMANDS", limit)
    monkeypatch.setattr("mmpersonsearch.ops.resampling._MAX_VALUES", limit)
    output = roi_align(maps, rois, (5, 4), 1 / 8)
    assert torch.allclose(output, expected, rtol=0, atol=1e-12)
    (gradient,), (wanted,) = (torch.autograd.grad(one.square().sum(), maps) for one in (output, expected))
    assert torch.allclose(gradient, wanted, atol=1e-12)


def test_no_rois_and_no_images_have_a_graph():
    maps, rois = draw()
    maps.requires_grad_()
    output = roi_align(maps, rois[:0], (5, 4), 1 / 8)
    assert output.shape == (0, 3, 5, 4)
    (gradient,) = torch.autograd.grad(output.sum(), maps)
    assert gradient.abs().max() == 0
    assert roi_align(maps[:0], rois[:0], (5, 4)).shape == (0, 3, 5, 4)
    nothing = roi_align(maps, rois[3:4], (5, 4), 1 / 8)  # all RoIs have no size
    assert torch.autograd.grad(nothing.sum(), maps)[0].abs().max() == nothing.abs().max() == 0


def test_a_gradient_of_any_strides_is_taken():
    maps, rois = draw(torch.float32)
    maps.requires_grad_()
    output = roi_align(maps, rois, (5, 4), 1 / 8)
    weights = torch.randn(output.shape)
    gradients = [
        torch.autograd.grad(output, maps, one, retain_graph=True)[0]
        for one in (weights, weights.to(memory_format=torch.channels_last), weights[..., :1].expand_as(weights))
    ]
    assert torch.allclose(gradients[0], gradients[1], atol=1e-6)
    assert torch.isfinite(gradients[2]).all()


def test_feature_maps_stay_in_channels_last():
    maps, rois = draw(torch.float32, channels=200)
    assert roi_align(maps, rois, (5, 4), 1 / 8).is_contiguous(memory_format=torch.channels_last)


def test_autocast_does_not_round():
    maps, rois = draw(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        output = roi_align(maps, rois, (5, 4), 1 / 8)
    assert torch.equal(output, roi_align(maps, rois, (5, 4), 1 / 8))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_float32_at_exact_places(dtype):
    maps, _ = draw(dtype)
    rois = torch.tensor([[0, 1001.5, 1003.25, 1041.0, 1079.0]]) / 16  # which bfloat16 would round
    output = RoIAlign((7, 3), 1 / 8, 2)(maps, rois)
    assert output.dtype == dtype
    assert torch.equal(output, roi_align(maps.float(), rois, (7, 3), 1 / 8, 2).to(dtype))


@pytest.mark.parametrize(
    ("roi", "aligned"),
    [
        ([0, float("nan"), 0, 10, 10], False),
        ([0, 0, 0, float("inf"), 10], True),
        ([2, 0, 0, 10, 10], True),
        ([-1, 0, 0, 10, 10], True),
        ([0, 20, 0, 10, 10], True),
    ],
)
def test_a_wrong_roi_is_named(roi, aligned):
    maps, rois = draw(torch.float32)
    with pytest.raises(ValueError, match=r"RoI 7 is \[.*\], expected the number of an image, 0 to 1, and a finite box"):
        roi_align(maps, torch.cat((rois, torch.tensor([roi]))), (3, 3), 1 / 8, 0, aligned)
    if roi == [0, 20, 0, 10, 10]:
        assert roi_align(maps, torch.tensor([roi]), (3, 3), 1 / 8, 0, False).isfinite().all()


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling_ratio", [0, 2])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_mmcvs_way_gives_the_same(layout, sampling_ratio, aligned):
    """``mmcv.ops`` hands in its own tensors and has no autograd; channels_last, compiled MMCV misreads."""
    maps, rois = draw(torch.float32, layout)
    maps.requires_grad_()
    direct = roi_align(maps, rois, (7, 3), 1 / 8, sampling_ratio, aligned)
    through = mmcv.ops.roi_align(maps, rois, (7, 3), 1 / 8, sampling_ratio, "avg", aligned)
    assert torch.allclose(direct, through, rtol=0, atol=1e-6)
    weights = torch.randn_like(direct)
    (gradient,), (wanted,) = (torch.autograd.grad(one, maps, weights) for one in (through, direct))
    assert torch.allclose(gradient, wanted, atol=1e-6)
    assert mmcv.ops.roi_align(maps, rois[:0], (7, 3), 1 / 8).shape == (0, 3, 7, 3)


def test_the_largest_sample_is_not_offered():
    maps, rois = draw(torch.float32)
    for layer in (mmcv.ops.RoIAlign, RoIAlign):
        with pytest.raises(NotImplementedError, match=r"pool_mode='max' needs a compiled MMCV: pip install"):
            layer((3, 3), 1 / 8, pool_mode="max")(maps, rois)
