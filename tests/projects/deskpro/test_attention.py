"""CSA, the mask-guided attention loss and the body stream, beside references of the equations."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmdet.structures import ReIDDataSample
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData

from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.errors import InputError
from projects.deskpro.deskpro.attention import AttentiveOSNet, ClothIrrelevantAttention, mask_guided_attention

LOSSES = dict(loss_id=dict(type="mmdet.CrossEntropyLoss"), loss_triplet=dict(type="mmdet.TripletLoss", margin=0.7))


def build_body(**kwargs):
    init_default_scope("mmpersonsearch")
    torch.manual_seed(0)
    head = dict(type="LightMBNReIDHead", in_channels=128, num_ids=3, feat_channels=8, **LOSSES)
    backbone = dict(type="AttentiveOSNet", width=0.25)
    preprocessor = dict(type="mmdet.ReIDDataPreprocessor")
    stream = dict(type="MaskGuidedLightMBN", backbone=backbone, head=head, data_preprocessor=preprocessor)
    return MODELS.build({**stream, **kwargs})


def draw_samples(size=(64, 32), seed=0):
    g = torch.Generator().manual_seed(seed)
    samples = []
    for label in (0, 0, 2, 2):
        sample = ReIDDataSample(metainfo=dict(img_path=f"{label}.png")).set_gt_label(label)
        mask = (torch.rand(1, *size, generator=g) < 0.5).to(torch.uint8)
        sample.gt_cloth_mask = PixelData(mask=mask)
        samples.append(sample)
    return samples


def test_equation_1_and_2():
    net = AttentiveOSNet(width=0.25).eval()
    (conv,) = net.attention.layers
    assert conv.weight.shape == (1, 96, 1, 1)
    torch.nn.init.normal_(conv.bias)
    images = torch.randn(2, 3, 64, 32)
    (shared,) = net.stem(images)
    refined, attention = net.attend(images)
    assert attention.shape == (2, 1, 8, 4)
    for n, y, x in [(0, 0, 0), (1, 7, 3), (1, 3, 2)]:
        logit = sum(conv.weight[0, c, 0, 0].item() * shared[n, c, y, x].item() for c in range(96)) + conv.bias.item()
        psi = 1 / (1 + math.exp(-logit))
        assert attention[n, 0, y, x].item() == pytest.approx(psi, rel=1e-4)
        assert torch.allclose(refined[n, :, y, x], shared[n, :, y, x] * psi, rtol=1e-4)
    for branch, one in zip(net.branches, net(images), strict=True):
        assert torch.equal(one, branch(refined))


def test_the_authors_attention_has_a_hidden_layer_without_biases():
    first, second = (c for c in ClothIrrelevantAttention(6, hidden_layer=True).layers if hasattr(c, "weight"))
    assert (first.weight.shape, second.weight.shape) == ((6, 6, 1, 1), (1, 6, 1, 1))
    assert first.bias is None and second.bias is None
    csa, maps = ClothIrrelevantAttention(6, hidden_layer=True), torch.randn(2, 6, 3, 2)
    first, second = csa.layers[0], csa.layers[2]
    hidden = torch.einsum("nchw,dc->ndhw", maps, first.weight[:, :, 0, 0]).clamp(min=0)
    expected = torch.einsum("nchw,dc->ndhw", hidden, second.weight[:, :, 0, 0]).sigmoid()
    assert torch.allclose(csa(maps), expected, atol=1e-6)


def slow_resize(mask, height, width):
    """Bilinear, position by position, half-pixel centers."""
    rows, columns = mask.shape
    out = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            v, u = (y + 0.5) * rows / height - 0.5, (x + 0.5) * columns / width - 0.5
            v, u = min(max(v, 0), rows - 1), min(max(u, 0), columns - 1)
            top, left = int(v), int(u)
            low, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
            a, b = v - top, u - left
            out[y, x] = (1 - a) * ((1 - b) * mask[top, left] + b * mask[top, right])
            out[y, x] += a * ((1 - b) * mask[low, left] + b * mask[low, right])
    return out


@pytest.mark.parametrize("authors", [False, True])
def test_equations_3_and_4_with_gradients(authors):
    g = torch.Generator().manual_seed(3)
    attention = torch.rand(2, 1, 6, 3, generator=g, dtype=torch.double, requires_grad=True)
    masks = torch.zeros(2, 1, 24, 12, dtype=torch.uint8)
    masks[0, :, 3:17, 2:9] = 1
    masks[1, :, 8:, 5:] = 1
    loss = mask_guided_attention(attention, masks, eps=0.1, raise_zeros_only=authors)
    loss.backward()
    expected, gradient = 0.0, np.zeros((2, 6, 3))
    for n in range(2):
        low = 0.0 if authors else 0.1
        target = slow_resize(np.where(masks[n, 0].numpy() == 1, low, 1.0), 6, 3)
        if authors:
            target[target == 0] = 0.1
        difference = attention[n, 0].detach().numpy() - target
        expected += (difference**2).mean() / 2
        gradient[n] = 2 * difference / difference.size / 2
    assert loss.item() == pytest.approx(expected)
    assert np.allclose(attention.grad[:, 0], gradient)


def test_both_masks_differ_only_at_borders():
    masks, attention = torch.zeros(1, 1, 32, 32), torch.full((1, 1, 4, 4), 0.5)
    masks[..., 8:, :] = 1  # a border between two cells
    ours, theirs = (mask_guided_attention(attention, masks, raise_zeros_only=one).item() for one in (False, True))
    assert ours == pytest.approx((4 * 0.5**2 + 12 * 0.4**2) / 16)
    assert theirs == pytest.approx(ours)
    masks[..., 12:, :] = 0  # and one in the middle of a row of cells, where theirs is 0.5 and ours 0.55
    ours, theirs = (mask_guided_attention(attention, masks, raise_zeros_only=one).item() for one in (False, True))
    assert ours == pytest.approx((12 * 0.5**2 + 4 * 0.05**2) / 16)
    assert theirs == pytest.approx(12 * 0.5**2 / 16)


def test_the_body_streams_loss_is_the_heads_and_lambda_times_the_attentions():
    body = build_body(loss_attention=dict(type="MaskGuidedAttentionLoss", loss_weight=7.0)).train()
    images, samples = torch.randn(4, 3, 64, 32), draw_samples()
    losses = body.loss(images, samples)
    assert set(losses) == {"loss_id", "loss_triplet", "loss_attention", "acc"}
    _, attention = body.backbone.attend(images)
    masks = torch.stack([s.gt_cloth_mask.mask for s in samples])
    assert losses["loss_attention"].item() == pytest.approx(
        7 * mask_guided_attention(attention, masks).item(), rel=1e-4
    )
    plain = build_body(type="LightMBN").train()
    plain.load_state_dict(body.state_dict())
    torch.testing.assert_close(plain.loss(images, samples)["loss_id"], body.loss(images, samples)["loss_id"])
    losses["loss_attention"].backward()
    assert body.backbone.attention.layers[0].weight.grad.abs().sum() > 0
    assert body.backbone.stem.conv1.conv.weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in body.backbone.branches.parameters())


def test_attention_learns_the_mask():
    torch.manual_seed(0)
    net = AttentiveOSNet(width=0.25)
    images = torch.randn(2, 3, 64, 32) * 0.1
    images[:, 0, 32:] += 2
    masks = torch.zeros(2, 1, 64, 32)
    masks[:, :, 32:] = 1
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for _ in range(12):
        loss = mask_guided_attention(net.attend(images)[1], masks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    attention = net.attend(images)[1]
    assert attention[:, :, :4].mean() > attention[:, :, 4:].mean() + 0.2


def test_a_sample_without_a_mask_is_named():
    body = build_body(loss_attention=dict(type="MaskGuidedAttentionLoss"))
    samples = draw_samples()
    del samples[2].gt_cloth_mask
    with pytest.raises(InputError, match=r"2\.png has no clothes mask.*load_masks=True"):
        body.loss(torch.randn(4, 3, 64, 32), samples)


def test_matching_is_light_mbns():
    body = build_body(loss_attention=dict(type="MaskGuidedAttentionLoss")).eval()
    images = torch.randn(2, 3, 64, 32)
    parts = body.embed(images)
    assert parts.shape == (2, 7, 8)
    assert torch.allclose(parts.norm(dim=2), torch.ones(2, 7))
    added = body.head(body.backbone(images)) + body.head(body.backbone(images.flip(3)))
    assert torch.allclose(parts, F.normalize(added, dim=2), atol=1e-5)
