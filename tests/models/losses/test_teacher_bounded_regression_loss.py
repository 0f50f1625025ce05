import pytest
import torch

from mmpersonsearch.models.losses import TeacherBoundedRegressionLoss, teacher_bounded_regression


def reference(student, teacher, targets, weight, margin):
    """Equation 4 of Chen et al., box by box."""
    losses = []
    for s, t, y, w in zip(student, teacher, targets, weight):
        ours = sum(b * (a - c) ** 2 for a, c, b in zip(s, y, w))
        theirs = sum(b * (a - c) ** 2 for a, c, b in zip(t, y, w))
        losses.append(ours if ours + margin > theirs else 0.0)
    return losses


@pytest.mark.parametrize("margin", [0.0, 0.5, -0.5])
def test_definition(margin):
    torch.manual_seed(0)
    student, teacher, targets = (torch.randn(40, 4, dtype=torch.float64) for _ in range(3))
    weight = torch.randint(0, 2, (40, 1)) * (0.5 + torch.rand(40, 4, dtype=torch.float64))
    expected = reference(student.tolist(), teacher.tolist(), targets.tolist(), weight.tolist(), margin)
    found = teacher_bounded_regression(student, teacher, targets, weight, margin)
    assert found.tolist() == pytest.approx(expected)
    assert 5 < sum(value > 0 for value in expected) < 15  # of 20 boxes with a target, some
    loss = TeacherBoundedRegressionLoss(margin, loss_weight=0.5)
    assert loss(student, teacher, targets, weight).item() == pytest.approx(0.5 * sum(expected) / 40)
    assert loss(student, teacher, targets, weight, avg_factor=8).item() == pytest.approx(0.5 * sum(expected) / 8)


def test_by_hand():
    targets = torch.zeros(4, 4)
    # Square errors of the student 4, 1, 2, 0, of the teacher 1, 4, 2, 0.
    student = torch.tensor([[2.0, 0, 0, 0], [0, -1, 0, 0], [1, 0, 0, 1], [0, 0, 0, 0]])
    teacher = torch.tensor([[0.0, 1, 0, 0], [0, 0, 0, 2], [0, 1, -1, 0], [0, 0, 0, 0]])
    assert teacher_bounded_regression(student, teacher, targets).tolist() == [4, 0, 0, 0]
    assert teacher_bounded_regression(student, teacher, targets, margin=0.1).tolist() == [4, 0, 2, 0]
    assert teacher_bounded_regression(student, teacher, targets, margin=3.1).tolist() == [4, 1, 2, 0]


def test_a_student_as_good_as_its_teacher_has_no_loss():
    deltas, targets = torch.randn(9, 4), torch.randn(9, 4)
    assert TeacherBoundedRegressionLoss()(deltas, deltas.clone(), targets) == 0


def test_gradients():
    torch.manual_seed(0)
    student, teacher, targets = (torch.randn(9, 4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    targets = targets.detach()
    torch.autograd.gradcheck(lambda x: teacher_bounded_regression(x, teacher, targets), student)
    losses = teacher_bounded_regression(student, teacher, targets)
    losses.sum().backward()
    assert teacher.grad is None
    worse = losses > 0
    assert 0 < worse.sum() < 9
    torch.testing.assert_close(student.grad, 2 * (student - targets).detach() * worse[:, None])


def test_nobody_is_a_zero_with_a_graph():
    student = torch.zeros(0, 4, requires_grad=True)
    for options in ({}, {"weight": torch.zeros(0, 4), "avg_factor": 0}):
        loss = TeacherBoundedRegressionLoss()(student, torch.zeros(0, 4), torch.zeros(0, 4), **options)
        loss.backward()
        assert loss.item() == 0


def test_other_shape():
    with pytest.raises(ValueError, match=r"\(2, 4\), the teacher's \(2, 8\), the targets \(2, 4\)"):
        teacher_bounded_regression(torch.zeros(2, 4), torch.zeros(2, 8), torch.zeros(2, 4))
