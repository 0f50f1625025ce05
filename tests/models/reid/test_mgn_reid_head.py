import pytest
import torch
import torch.nn.functional as F
from mmdet.structures import ReIDDataSample
from mmengine.registry import init_default_scope

from mmpersonsearch.models.reid import MGNReIDHead


def build(**kwargs):
    init_default_scope("mmpersonsearch")
    torch.manual_seed(0)
    losses = dict(loss_id=dict(type="mmdet.CrossEntropyLoss"), loss_triplet=dict(type="mmdet.TripletLoss", margin=1.2))
    return MGNReIDHead(in_channels=6, num_ids=4, feat_channels=3, **losses, **kwargs)


def draw_maps(height=12):
    g = torch.Generator().manual_seed(1)
    return tuple(torch.randn(4, 6, h, 2, generator=g) for h in (height // 2, height, height))


def samples_of(person_ids):
    return [ReIDDataSample().set_gt_label(i) for i in person_ids]


def test_pooled_features_by_hand():
    maps = draw_maps()
    pooled = build().pool(maps)
    windows = [maps[0], maps[1], maps[2], maps[1][:, :, :6], maps[1][:, :, 6:]]
    windows += [maps[2][:, :, :4], maps[2][:, :, 4:8], maps[2][:, :, 8:]]
    assert len(pooled) == 8
    for feat, window in zip(pooled, windows):
        assert torch.equal(feat, window.amax(dim=(2, 3), keepdim=True))


def test_stripes_of_a_height_that_3_does_not_divide_cover_all_rows():
    maps = draw_maps(16)
    assert [tuple(f.shape) for f in build().pool(maps)] == [(4, 6, 1, 1)] * 8
    for row in range(16):
        peak = torch.zeros(1, 6, 16, 2)
        peak[:, :, row] = 1
        stripes = build().pool((peak[:, :, :8], peak, peak))[5:]
        assert 1 <= sum(stripe.amax().item() for stripe in stripes) <= 2


def test_embedding_is_the_reduced_features_in_a_row():
    head = build().eval()
    maps = draw_maps()
    feats = head(maps)
    assert feats.shape == (4, 24)
    assert head.out_channels == 24
    for i, pooled in enumerate(head.pool(maps)):
        reduction = head.reductions[i]
        expected = reduction.bn(F.conv2d(pooled, reduction.conv.weight)).relu().flatten(1)
        assert torch.allclose(feats[:, 3 * i : 3 * i + 3], expected, atol=1e-6)
    assert (feats >= 0).all()


@pytest.mark.parametrize("classify_reduced", [False, True])
def test_losses_by_definition(classify_reduced):
    head = build(classify_reduced=classify_reduced).train()
    for classifier in head.classifiers:
        torch.nn.init.normal_(classifier.weight)
        assert classifier.bias is None
    maps, person_ids = draw_maps(), torch.tensor([0, 0, 3, 3])
    losses = head.loss(maps, samples_of(person_ids))
    pooled = head.pool(maps)
    reduced = head.reduce(pooled)
    classified = reduced if classify_reduced else [f.flatten(1) for f in pooled[:3]] + reduced[3:]
    scores = [feat @ classifier.weight.t() for feat, classifier in zip(classified, head.classifiers, strict=True)]
    loss_id = sum(F.cross_entropy(score, person_ids) for score in scores) / 8
    triplets = []
    for feat in reduced[:3]:
        dist = torch.cdist(feat, feat)
        hardest = [(dist[0, 1], dist[0, 2:].min()), (dist[1, 0], dist[1, 2:].min())]
        hardest += [(dist[2, 3], dist[2, :2].min()), (dist[3, 2], dist[3, :2].min())]
        triplets += [(positive - negative + 1.2).clamp(min=0) for positive, negative in hardest]
    assert losses["loss_id"].item() == pytest.approx(loss_id.item(), rel=1e-5)
    assert losses["loss_triplet"].item() == pytest.approx(sum(triplets).item() / 12, rel=1e-4)
    assert losses["acc"].item() == pytest.approx((scores[0].argmax(1) == person_ids).float().mean().item())


def test_every_parameter_learns():
    head = build().train()
    losses = head.loss(draw_maps(), samples_of([0, 0, 1, 2]))
    (losses["loss_id"] + losses["loss_triplet"]).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())


def test_predict_fills_the_data_samples():
    head = build().eval()
    samples = head.predict(draw_maps(), samples_of([0, 1, 2, 3]))
    assert torch.equal(torch.stack([sample.pred_feature for sample in samples]), head(draw_maps()))


def test_maps_of_another_backbone_are_refused():
    with pytest.raises(ValueError, match="zip"):
        build().eval()(draw_maps()[:1])
