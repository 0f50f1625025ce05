import pytest
import torch

from mmpersonsearch.models.losses import HintLoss


def reference(weight, bias, student, teacher):
    """Equation 1 of Munjal et al., element by element, over the number of elements."""
    total, count = 0.0, 0
    for b in range(len(teacher)):
        for c in range(len(teacher[b])):
            for y in range(len(teacher[b][c])):
                for x in range(len(teacher[b][c][y])):
                    adapted = bias[c] + sum(weight[c][k][0][0] * student[b][k][y][x] for k in range(len(student[b])))
                    total += (adapted - teacher[b][c][y][x]) ** 2
                    count += 1
    return total / count


@pytest.mark.parametrize("channels", [(2, 3), (3, 3)])
def test_definition(channels):
    loss = HintLoss(*channels, loss_weight=0.5).double()
    student, teacher = (torch.randn(2, c, 3, 4, dtype=torch.float64) for c in channels)
    layer = loss.adaptation
    expected = reference(layer.weight.tolist(), layer.bias.tolist(), student.tolist(), teacher.tolist())
    assert loss(student, teacher).item() == pytest.approx(0.5 * expected)


def test_by_hand():
    loss = HintLoss(1, 2, loss_weight=2.0)
    loss.adaptation.weight.data = torch.tensor([1.0, 3.0]).view(2, 1, 1, 1)
    loss.adaptation.bias.data = torch.tensor([0.0, 1.0])
    # 2 becomes (2, 7), which is (1, 4) away from (1, 3)
    assert loss(torch.full((1, 1, 1, 1), 2.0), torch.tensor([1.0, 3.0]).view(1, 2, 1, 1)).item() == 2 * (1 + 16) / 2


def test_size_of_the_map_does_not_matter():
    loss = HintLoss(2, 3).double()
    student, teacher = (torch.randn(1, c, 3, 4, dtype=torch.float64) for c in (2, 3))
    larger = loss(student.repeat(2, 1, 3, 2), teacher.repeat(2, 1, 3, 2))
    assert larger.item() == pytest.approx(loss(student, teacher).item(), rel=1e-5)


def test_gradients():
    loss = HintLoss(2, 3).double()
    student = torch.randn(1, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(lambda x: loss(x, teacher), student)
    loss(student, teacher).backward()
    assert teacher.grad is None
    assert all(parameter.grad.abs().sum() > 0 for parameter in loss.parameters())


def test_no_image_is_a_zero_with_a_graph():
    loss = HintLoss(2, 3)
    value = loss(torch.zeros(0, 2, 4, 4), torch.zeros(0, 3, 4, 4))
    value.backward()
    assert value.item() == 0


@pytest.mark.parametrize("shape", [(1, 3, 2, 4), (2, 3, 4, 4), (1, 5, 4, 4), (1, 1, 4, 4)])
def test_other_map(shape):
    with pytest.raises(ValueError, match=r"\(1, 3, 4, 4\) after the adaptation, the teacher's \(.*same stride"):
        HintLoss(2, 3)(torch.zeros(1, 2, 4, 4), torch.zeros(shape))
