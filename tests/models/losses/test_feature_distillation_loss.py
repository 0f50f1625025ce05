import pytest
import torch

from mmpersonsearch.models.losses import FeatureDistillationLoss, feature_distillation


def test_by_hand():
    student = torch.tensor([[3.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    teacher = torch.tensor([[5.0, 0.0], [0.0, -1.0], [1.0, 0.0]])
    # unit vectors: equal, opposite, 45 degrees apart: 0, 4, 2 - sqrt(2)
    assert feature_distillation(student, teacher).item() == pytest.approx((6 - 2**0.5) / 3)
    assert FeatureDistillationLoss(5.0)(student, teacher).item() == pytest.approx(5 * (6 - 2**0.5) / 3)


def test_gradcheck_and_no_gradient_to_the_teacher():
    student = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(lambda x: feature_distillation(x, teacher), student)
    feature_distillation(student, teacher).backward()
    assert teacher.grad is None


def test_length_does_not_matter():
    student, teacher = torch.randn(4, 5), torch.randn(4, 5)
    assert feature_distillation(3 * student, 0.1 * teacher).item() == pytest.approx(
        feature_distillation(student, teacher).item(), rel=1e-5
    )


def test_nobody_is_a_zero_with_a_graph():
    student = torch.zeros(0, 5, requires_grad=True)
    loss = feature_distillation(student, torch.zeros(0, 5))
    loss.backward()
    assert loss.item() == 0


def test_other_width():
    with pytest.raises(ValueError, match=r"\(2, 5\) but teacher_feats \(2, 4\)"):
        feature_distillation(torch.zeros(2, 5), torch.zeros(2, 4))
