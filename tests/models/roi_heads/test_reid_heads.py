import pytest
import torch
import torch.nn.functional as F

from mmpersonsearch.models.roi_heads.reid_heads import OIMReIDHead, SoftmaxReIDHead


def softmax_head(**kwargs):
    torch.manual_seed(0)
    return SoftmaxReIDHead(in_channels=6, num_ids=4, loss_id=dict(type="mmdet.CrossEntropyLoss"), **kwargs)


def test_cross_entropy_over_labelled_persons_only():
    head = softmax_head().eval()
    maps, person_ids = torch.randn(5, 6, 3, 2), torch.tensor([2, -1, 0, -1, 3])
    feats = head(maps)
    assert torch.allclose(feats, head.bn(maps.mean((2, 3))))
    labelled = person_ids >= 0
    expected = F.cross_entropy(head.classifier(feats[labelled]), person_ids[labelled])
    assert head.loss(maps, person_ids)["loss_id"].item() == pytest.approx(expected.item(), rel=1e-6)
    assert head.classifier.bias is None


def test_one_person_in_training_uses_running_statistics():
    head = softmax_head().train()
    maps = torch.randn(1, 6, 3, 2)
    mean = head.bn.running_mean.clone()
    feats = head(maps)
    assert torch.equal(head.bn.running_mean, mean)
    assert torch.allclose(feats, head.eval()(maps))


def test_prediction_has_unit_length():
    head = softmax_head(feat_channels=5).eval()
    feats = head.predict(torch.randn(3, 6, 3, 2))
    assert feats.shape == (3, 5)
    assert torch.allclose(feats.norm(dim=1), torch.ones(3))


def test_oim_head_hands_normalised_features_and_its_sizes_on():
    head = OIMReIDHead(in_channels=6, num_ids=4, feat_channels=5, loss_id=dict(type="OIMLoss", queue_size=3))
    assert head.loss_id.lut.features.shape == (4, 5)
    head.train().loss(torch.randn(4, 6, 3, 2), torch.tensor([0, 1, 2, -1]))
    norms = head.loss_id.lut.features.norm(dim=1)
    assert torch.allclose(norms, torch.tensor([1.0, 1, 1, 0]), atol=1e-6)


@pytest.mark.parametrize("key", ["teacher", "loss_distill"])
def test_teacher_and_its_loss_belong_together(key):
    with pytest.raises(ValueError, match="belong together"):
        softmax_head(**{key: dict(type="mmdet.BaseReID")})
