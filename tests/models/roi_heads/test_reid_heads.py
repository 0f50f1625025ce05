import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import init_default_scope

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


def head_with_teacher(student=5, teacher=8, **kwargs):
    init_default_scope("mmpersonsearch")
    teacher = dict(
        type="mmdet.BaseReID",
        data_preprocessor=dict(type="mmdet.ReIDDataPreprocessor"),
        backbone=dict(type="ResNetIBN", depth=18, stages=(1,)),
        neck=dict(type="mmpretrain.GlobalAveragePooling"),
        head=dict(
            type="BNNeckReIDHead",
            in_channels=teacher,
            num_ids=4,
            loss_id=dict(type="mmdet.CrossEntropyLoss"),
            loss_triplet=dict(type="mmdet.TripletLoss"),
        ),
    )
    loss_distill = dict(type="FeatureDistillationLoss", loss_weight=2.0)
    return softmax_head(
        feat_channels=student, teacher=dict(model=teacher, checkpoint=""), loss_distill=loss_distill, **kwargs
    )


def test_teacher_of_another_width_is_refused():
    with pytest.raises(ValueError, match=r"has 5 channels, the teacher's 8.* projection=dict\(type='mmdet.L"):
        head_with_teacher()


def test_student_is_projected_to_the_teachers_width():
    head = head_with_teacher(projection=dict(type="mmdet.Linear")).train()
    feats, teacher_feats = torch.randn(3, 5), torch.randn(3, 8, requires_grad=True)
    projected = feats @ head.projection.weight.t() + head.projection.bias
    expected = 2 * (F.normalize(projected) - F.normalize(teacher_feats)).square().sum(1).mean()
    loss = head.loss_by_feat(feats, torch.tensor([0, -1, 2]), teacher_feats)["loss_distill"]
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    loss.backward()
    assert head.projection.weight.grad.abs().sum() > 0
    assert teacher_feats.grad is None
    assert {"projection.weight", "projection.bias"} <= head.state_dict().keys()


def test_matching_does_not_see_the_projection():
    head = head_with_teacher(projection=dict(type="mmdet.Linear")).eval()
    maps = torch.randn(3, 6, 3, 2)
    feats = head.predict(maps)
    torch.nn.init.zeros_(head.projection.weight)
    assert feats.shape == (3, 5)
    assert torch.equal(head.predict(maps), feats)


def test_nobody_to_teach_gives_zero_losses_with_a_graph():
    head = head_with_teacher(projection=dict(type="mmdet.Linear")).train()
    losses = head.loss(torch.zeros(0, 6, 3, 2), torch.zeros(0, dtype=torch.long), torch.zeros(0, 3, 32, 16))
    assert losses["loss_distill"].item() == 0
    losses["loss_distill"].backward()


def test_the_same_width_needs_no_projection():
    head = head_with_teacher(student=8)
    assert not any("distill" in key for key in head.state_dict())


def test_without_a_teacher_there_is_no_projection():
    head = softmax_head(projection=dict(type="mmdet.Linear"))
    assert not any("distill" in key for key in head.state_dict())
