import pytest
import torch
import torch.nn.functional as F
from mmdet.structures import ReIDDataSample
from mmengine.registry import init_default_scope
from torch import nn

from mmpersonsearch.models.backbones import MultiBranchOSNet
from mmpersonsearch.models.reid import LightMBNReIDHead, drop_top_rows
from mmpersonsearch.registry import MODELS

LOSSES = dict(loss_id=dict(type="mmdet.CrossEntropyLoss"), loss_triplet=dict(type="mmdet.TripletLoss", margin=0.7))


def build_head():
    init_default_scope("mmpersonsearch")
    torch.manual_seed(0)
    return LightMBNReIDHead(in_channels=64, num_ids=4, feat_channels=6, **LOSSES)


def build_model(**kwargs):
    init_default_scope("mmpersonsearch")
    torch.manual_seed(0)
    head = dict(type="LightMBNReIDHead", in_channels=128, num_ids=3, feat_channels=8, **LOSSES)
    preprocessor = dict(type="mmdet.ReIDDataPreprocessor")
    backbone = dict(type="MultiBranchOSNet", width=0.25)
    return MODELS.build(dict(type="LightMBN", backbone=backbone, head=head, data_preprocessor=preprocessor, **kwargs))


def draw_maps(height=12):
    g = torch.Generator().manual_seed(1)
    return tuple(torch.randn(4, 64, height, 3, generator=g) for _ in range(3))


def samples_of(person_ids):
    return [ReIDDataSample().set_gt_label(i) for i in person_ids]


def slow_drop(maps, ratio):
    """Row by row."""
    maps = maps.clone()
    for one in maps:
        highest = [max(one[:, y, x].square().sum().item() for x in range(one.shape[2])) for y in range(one.shape[1])]
        for y in sorted(range(one.shape[1]), key=highest.__getitem__)[one.shape[1] - round(ratio * one.shape[1]) :]:
            one[:, y] = 0
    return maps


@pytest.mark.parametrize(("height", "dropped"), [(24, 8), (14, 5), (8, 3), (1, 0)])
def test_rows_of_the_highest_activation_are_dropped(height, dropped):
    maps = torch.randn(3, 5, height, 4, requires_grad=True)
    kept = drop_top_rows(maps, 1 / 3)
    assert torch.equal(kept, slow_drop(maps.detach(), 1 / 3))
    assert ((kept == 0).all(dim=(1, 3)).sum(dim=1) == dropped).all()
    kept.sum().backward()
    assert torch.equal(maps.grad, (kept != 0).float())


@pytest.mark.parametrize("training", [False, True])
def test_features_by_hand(training):
    head, maps = build_head().train(training), draw_maps()
    whole = head.global_block.eval()(maps[0])
    kept = slow_drop(whole.detach(), 1 / 3) if training else whole
    parts, channels = maps[1], maps[2].mean((2, 3))
    pooled = [whole.mean((2, 3)), kept.amax((2, 3)), parts.amax((2, 3))]
    pooled += [parts[:, :, :6].mean((2, 3)), parts[:, :, 6:].mean((2, 3))]
    expected = [one @ layer.weight.flatten(1).t() for one, layer in zip(pooled, head.reductions, strict=True)]
    head.shared.eval()
    for half in (channels[:, :32], channels[:, 32:]):
        bn = head.shared.bn
        expected.append(
            F.batch_norm(
                half @ head.shared.conv.weight.flatten(1).t(), bn.running_mean, bn.running_var, bn.weight, bn.bias
            ).relu()
        )
    feats = head.reduce(maps)
    assert len(feats) == len(expected) == 7
    for feat, one in zip(feats, expected):
        torch.testing.assert_close(feat, one, rtol=1e-4, atol=1e-5)
    embedded = head.eval()(maps)
    assert embedded.shape == (4, 7, 6)
    assert head.out_channels == 42
    norms = [norm(feat) for norm, feat in zip(head.norms, head.reduce(maps))]
    assert torch.equal(embedded, torch.stack(norms, dim=1))


def test_losses_by_definition():
    head = build_head().train()
    for classifier in head.classifiers:
        nn.init.normal_(classifier.weight)
        assert classifier.bias is None
    head.shared.bn.momentum = 0
    maps, person_ids = draw_maps(), torch.tensor([0, 0, 3, 3])
    losses = head.loss(maps, samples_of(person_ids))
    feats = head.reduce(maps)
    scores = [F.batch_norm(one, None, None, training=True) @ c.weight.t() for one, c in zip(feats, head.classifiers)]
    triplet = 0
    for feat in feats[:3]:
        dist = torch.cdist(feat, feat)
        hardest = [(dist[0, 1], dist[0, 2:].min()), (dist[1, 0], dist[1, 2:].min())]
        hardest += [(dist[2, 3], dist[2, :2].min()), (dist[3, 2], dist[3, :2].min())]
        triplet += sum((positive - negative + 0.7).clamp(min=0) for positive, negative in hardest) / 4
    expected = sum(F.cross_entropy(score, person_ids) for score in scores)
    assert losses["loss_id"].item() == pytest.approx(expected.item(), rel=1e-4)
    assert losses["loss_triplet"].item() == pytest.approx(triplet.item(), rel=1e-4)
    assert losses["acc"].item() == pytest.approx((scores[0].argmax(1) == person_ids).float().mean().item())


def test_every_parameter_learns_but_the_bnnecks_biases():
    head = build_head().train()
    losses = head.loss(draw_maps(), samples_of([0, 0, 1, 2]))
    (losses["loss_id"] + losses["loss_triplet"]).backward()
    frozen = {name for name, p in head.named_parameters() if not p.requires_grad}
    assert frozen == {f"norms.{i}.bias" for i in range(7)}
    assert all(p.grad is not None for name, p in head.named_parameters() if name not in frozen)


@pytest.mark.parametrize("mirrored", [False, True])
def test_parts_of_the_picture_and_the_mirrored_one_are_added_then_normalized(mirrored):
    model = build_model(mirrored=mirrored).eval()
    images = torch.randn(2, 3, 64, 32)
    parts = model.head(model.backbone(images))
    if mirrored:
        parts = parts + model.head(model.backbone(torch.flip(images, dims=(-1,))))
    expected = torch.cat([part / part.norm(dim=1, keepdim=True) for part in parts.unbind(1)], dim=1)
    feats = model(images, mode="tensor")
    torch.testing.assert_close(feats, expected, rtol=1e-4, atol=1e-5)
    samples = model(images, samples_of([0, 1]), mode="predict")
    assert torch.equal(torch.stack([sample.pred_feature for sample in samples]), feats)
    if mirrored:
        torch.testing.assert_close(feats, model(images.flip(3)), rtol=1e-4, atol=1e-5)


def test_maps_of_another_backbone_are_refused():
    with pytest.raises(ValueError, match="unpack"):
        build_head().eval()(draw_maps()[:2])


def test_the_published_number_of_parameters():
    """LightMBN at 751 identities: OSNet's stem once, its other layers three times, head."""
    init_default_scope("mmpersonsearch")
    backbone, head = MultiBranchOSNet(), LightMBNReIDHead(in_channels=512, num_ids=751, **LOSSES)
    block = 512 * 128 + 10 * (128 * 128 + 9 * 128 + 256) + 256 + 2184 + 128 * 512 + 1024
    assert sum(p.numel() for p in head.global_block.parameters()) == block
    necks = 7 * (2 * 512 + 751 * 512)
    assert sum(p.numel() for p in head.parameters()) == block + 5 * 512 * 512 + 256 * 512 + 1024 + necks
    branch = sum(p.numel() for p in backbone.branches[0].parameters())
    assert sum(p.numel() for p in backbone.parameters()) == 2_169_508 - 512 * 513 - 1024 + 2 * branch
