import math

import pytest
import torch
import torch.nn.functional as F

from mmpersonsearch.models.losses import SoftCrossEntropyLoss, soft_cross_entropy


def softened(scores, temperature):
    powers = [math.exp(score / temperature) for score in scores]
    return [power / sum(powers) for power in powers]


def reference(student, teacher, temperature):
    """-sum_c P_t log P_s of each sample (Munjal et al., section 4.1)."""
    losses = []
    for one, other in zip(student, teacher):
        pairs = zip(softened(one, temperature), softened(other, temperature))
        losses.append(-sum(p_t * math.log(p_s) for p_s, p_t in pairs))
    return losses


@pytest.mark.parametrize("temperature", [1.0, 10.0])
def test_definition(temperature):
    student, teacher = 5 * torch.randn(2, 6, 3, dtype=torch.float64)
    expected = reference(student.tolist(), teacher.tolist(), temperature)
    assert soft_cross_entropy(student, teacher, temperature).tolist() == pytest.approx(expected, rel=1e-5)
    weight = torch.tensor([0.0, 1.0, 2.0, 0.5, 0.0, 1.0])
    loss = SoftCrossEntropyLoss(temperature, loss_weight=3.0)
    weighted = sum(w * e for w, e in zip(weight.tolist(), expected))
    assert loss(student, teacher).item() == pytest.approx(3 * sum(expected) / 6, rel=1e-5)
    assert loss(student, teacher, weight).item() == pytest.approx(3 * weighted / 6, rel=1e-5)
    assert loss(student, teacher, weight, avg_factor=4).item() == pytest.approx(3 * weighted / 4, rel=1e-5)


def test_by_hand():
    # Probabilities 3/4 and 1/4 of the teacher, 1/2 of the student, after division by T = 10.
    teacher = torch.tensor([[10 * math.log(3), 0.0]])
    assert soft_cross_entropy(torch.zeros(1, 2), teacher, 10.0).item() == pytest.approx(math.log(2))
    assert soft_cross_entropy(teacher, teacher, 10.0).item() == pytest.approx(
        -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    )


def test_a_two_class_softmax_is_the_sigmoid():
    student, teacher = torch.randn(2, 5, dtype=torch.float64)
    expected = F.binary_cross_entropy_with_logits(student / 10, (teacher / 10).sigmoid(), reduction="none")
    pairs = [torch.stack((scores, torch.zeros_like(scores)), dim=1) for scores in (student, teacher)]
    torch.testing.assert_close(soft_cross_entropy(*pairs, 10.0), expected)


def test_scores_count_up_to_a_shift():
    student, teacher = torch.randn(2, 4, 3, dtype=torch.float64)
    shifted = soft_cross_entropy(student + 7, teacher - torch.arange(4)[:, None])
    torch.testing.assert_close(shifted, soft_cross_entropy(student, teacher))


def test_agreement_is_the_minimum():
    student = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    soft_cross_entropy(student, student.detach()).sum().backward()
    assert student.grad.abs().max() < 1e-12


def test_gradients():
    student, teacher = (torch.randn(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    torch.autograd.gradcheck(lambda x: soft_cross_entropy(x, teacher), student)
    soft_cross_entropy(student, teacher, 10.0).sum().backward()
    assert teacher.grad is None
    # Not times T^2.
    expected = ((student / 10).softmax(1) - (teacher / 10).softmax(1)) / 10
    torch.testing.assert_close(student.grad, expected.detach())


def test_large_scores_are_finite():
    loss = soft_cross_entropy(torch.tensor([[-1e6, 1e6]]), torch.tensor([[1e6, -1e6]]))
    assert loss.item() == pytest.approx(2e5)


def test_nobody_is_a_zero_with_a_graph():
    student = torch.zeros(0, 2, requires_grad=True)
    for options in ({}, {"weight": torch.zeros(0), "avg_factor": 0}):
        loss = SoftCrossEntropyLoss()(student, torch.zeros(0, 2), **options)
        loss.backward()
        assert loss.item() == 0


def test_bad_input():
    with pytest.raises(ValueError, match=r"\(2, 3\), the teacher's \(2, 2\)"):
        soft_cross_entropy(torch.zeros(2, 3), torch.zeros(2, 2))
    with pytest.raises(ValueError, match="temperature must be > 0, got 0"):
        SoftCrossEntropyLoss(temperature=0)
