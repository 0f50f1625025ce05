"""MMDetection's loss to a teacher's softened probabilities is the one of Munjal et al. (BMVC 2019, section 4.1)."""

import math

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from tiny_models import CONFIGS

from mmpersonsearch.registry import MODELS

T = 10


def paper_loss():
    init_default_scope("mmpersonsearch")
    return MODELS.build(Config.fromfile(CONFIGS / "_base_/teachers/kd_det.py").kd_det.loss_soft)


def softened(scores):
    powers = [math.exp(score / T) for score in scores]
    return [power / sum(powers) for power in powers]


def cross_entropies(student, teacher):
    """-sum_c P_t log P_s of each sample, without T^2, and the teacher's entropies, -sum_c P_t log P_t."""
    pairs = [(softened(one), softened(other)) for one, other in zip(student.tolist(), teacher.tolist())]
    losses = [-sum(p_t * math.log(p_s) for p_s, p_t in zip(*pair)) for pair in pairs]
    return torch.tensor(losses), torch.tensor([-sum(p * math.log(p) for p in p_t) for _, p_t in pairs])


@pytest.mark.parametrize("options", [{}, dict(avg_factor=4)])
@pytest.mark.parametrize("weight", [None, [0.0, 1.0, 2.0, 0.5, 0.0, 1.0]])
def test_loss_is_the_papers_less_the_teachers_entropy(weight, options):
    student, teacher = 5 * torch.randn(2, 6, 2, dtype=torch.float64)
    weight = torch.ones(6) if weight is None else torch.tensor(weight)
    losses, entropies = cross_entropies(student, teacher)
    expected = (weight * (losses - entropies)).sum() / options.get("avg_factor", 6)
    assert paper_loss()(student, teacher, weight, **options).item() == pytest.approx(expected.item(), rel=1e-4)


def test_by_hand():
    # Probabilities 3/4 and 1/4 of the teacher, 1/2 of the student, after division by T.
    teacher = torch.tensor([[T * math.log(3), 0.0]])
    entropy = -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    assert paper_loss()(torch.zeros(1, 2), teacher).item() == pytest.approx(math.log(2) - entropy, rel=1e-5)
    assert paper_loss()(teacher, teacher).item() == pytest.approx(0, abs=1e-6)


def test_gradients_are_the_papers():
    student, teacher = (torch.randn(4, 2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    weight = torch.tensor([0.0, 1.0, 2.0, 0.5], dtype=torch.float64)
    paper_loss()(student, teacher, weight, avg_factor=3).backward()
    assert teacher.grad is None
    probs = [(scores.detach() / T).softmax(1) for scores in (student, teacher)]
    torch.testing.assert_close(student.grad, weight[:, None] * (probs[0] - probs[1]) / T / 3, rtol=1e-6, atol=1e-9)


def test_a_two_class_softmax_is_the_sigmoid():
    """What the RPN's one score becomes."""
    student, teacher = (torch.randn(5, dtype=torch.float64, requires_grad=True) for _ in range(2))
    pairs = [torch.stack((scores, torch.zeros_like(scores)), dim=1) for scores in (student, teacher)]
    (grad,) = torch.autograd.grad(paper_loss()(*pairs), student)
    expected = F.binary_cross_entropy_with_logits(student / T, (teacher.detach() / T).sigmoid())
    torch.testing.assert_close(grad, torch.autograd.grad(expected, student)[0])


def test_large_scores_are_finite():
    loss = paper_loss()(torch.tensor([[-1e6, 1e6]]), torch.tensor([[1e6, -1e6]]))
    assert loss.item() == pytest.approx(2e5)


def test_nobody_is_a_zero_with_a_graph():
    student = torch.zeros(0, 2, requires_grad=True)
    loss = paper_loss()(student, torch.zeros(0, 2), torch.zeros(0), avg_factor=0)
    loss.backward()
    assert loss.item() == 0
