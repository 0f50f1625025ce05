import math

import pytest
import torch
from mmengine.registry import init_default_scope

from mmpersonsearch.models.backbones import QSSE
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.errors import InputError


def slow_gate(block, query, gallery):
    """The gate of one pair of (C, h, w) maps, number by number."""
    z = [sum(m.flatten().tolist()) / m[0].numel() for m in (*query.split(1), *gallery.split(1))]
    for layer, activate in ((block.squeeze, lambda v: max(v, 0.0)), (block.excite, lambda v: 1 / (1 + math.exp(-v)))):
        z = [
            activate(sum(w * v for w, v in zip(row, z)) + b)
            for row, b in zip(layer.weight.tolist(), layer.bias.tolist())
        ]
    return z


def build(channels=16):
    """With many hidden units, of which some pass the ReLU for any pair."""
    torch.manual_seed(1)
    return QSSE(channels, reduction=2).double()


def draw_maps(channels=16, number=3, query_size=(2, 3), gallery_size=(4, 5), dtype=torch.float64):
    torch.manual_seed(0)
    return [torch.randn(number, channels, *size, dtype=dtype) for size in (query_size, gallery_size)]


def test_equals_the_equations_for_maps_of_two_sizes():
    block = build()
    query, gallery = draw_maps()
    weighted = block(query, gallery)
    assert [one.shape for one in weighted] == [query.shape, gallery.shape]
    for i in range(3):
        for c, gate in enumerate(slow_gate(block, query[i], gallery[i])):
            assert 0 < gate < 1
            torch.testing.assert_close(weighted[0][i, c], gate * query[i, c])
            torch.testing.assert_close(weighted[1][i, c], gate * gallery[i, c])


def test_the_images_are_not_interchangeable_but_pairs_are():
    block = build()
    query, gallery = draw_maps(gallery_size=(2, 3))
    one, other = block(query, gallery), block(gallery, query)
    assert not torch.allclose(one[0], other[1])
    order = [2, 0, 1]
    for maps, moved in zip(one, block(query[order], gallery[order])):
        torch.testing.assert_close(maps[order], moved)


def test_gradients():
    block = build(8)
    query, gallery = draw_maps(8, 2)
    parameters = tuple(block.parameters())

    def run(query, gallery, *_):
        return block(query, gallery)

    assert torch.autograd.gradcheck(run, (query.requires_grad_(), gallery.requires_grad_(), *parameters))


@pytest.mark.parametrize("shared", [0, 1])
def test_one_image_shared_by_all_pairs(shared):
    block = build()
    maps = draw_maps()
    maps[shared] = maps[shared][:1]
    found = block(*maps)
    maps[shared] = maps[shared].expand(3, -1, -1, -1)
    for one, other in zip(found, block(*maps)):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("sizes", [[(1, 2)] * 3, [(1, 2), (2, 3), (2, 1)]])
def test_padding_does_not_enter_the_gate(sizes):
    block = build()
    query, gallery = draw_maps()
    whole = [(4, 5)] * 3
    found, _ = block(query, gallery, sizes, whole)
    for i, (height, width) in enumerate(sizes):
        alone, _ = block(query[i : i + 1, :, :height, :width], gallery[i : i + 1])
        torch.testing.assert_close(found[i : i + 1, :, :height, :width], alone)
    torch.testing.assert_close(block(query, gallery, [(2, 3)] * 3, whole)[1], block(query, gallery)[1])


def test_gate_is_in_float32_and_maps_keep_their_type_under_autocast():
    block = QSSE(16)
    query, gallery = draw_maps(dtype=torch.float32)
    expected = block(query.bfloat16().float(), gallery.bfloat16().float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = block(query.bfloat16(), gallery.bfloat16())
    for one, other in zip(found, expected):
        assert one.dtype == torch.bfloat16
        torch.testing.assert_close(one.float(), other, rtol=0.02, atol=0.02)


def test_number_of_weights():
    block = QSSE(256)
    assert block.squeeze.weight.numel() + block.excite.weight.numel() == 3 * 256**2 // 8
    assert block.squeeze.bias.numel() + block.excite.bias.numel() == 32 + 256


@pytest.mark.parametrize("reduction", [0, 33])
def test_wrong_reduction(reduction):
    with pytest.raises(InputError, match=rf"reduction must be in \[1, 2 \* channels = 32\], got {reduction}"):
        QSSE(16, reduction=reduction)


def test_is_registered():
    init_default_scope("mmpersonsearch")
    assert isinstance(MODELS.build(dict(type="QSSE", channels=8)), QSSE)
