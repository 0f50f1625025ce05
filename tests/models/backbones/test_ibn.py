import pytest
import torch
from torch import nn

from mmpersonsearch.models.backbones import IBN

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def both_norms(ibn, x):
    """The definition: PyTorch's norms on the halves."""
    return torch.cat((ibn.IN(x[:, : ibn.half]), ibn.BN(x[:, ibn.half :])), dim=1)


def drawn_ibn(channels, dtype=torch.float32):
    ibn = IBN(channels).to(dtype)
    with torch.no_grad():
        for parameter in ibn.parameters():
            parameter.uniform_(-1, 1)
    return ibn


def test_ibn_normalises_halves():
    ibn = IBN(6)
    x = torch.randn(4, 6, 5, 5) * 3 + 1
    out = ibn(x)
    assert torch.allclose(out[:, :3].mean((2, 3)), torch.zeros(4, 3), atol=1e-5)  # by image
    assert torch.allclose(out[:, 3:].mean((0, 2, 3)), torch.zeros(3), atol=1e-5)  # by batch
    assert not torch.allclose(out[:, 3:].mean((2, 3)), torch.zeros(4, 3), atol=1e-2)


@pytest.mark.parametrize("memory_format", LAYOUTS)
def test_ibn_in_testing_is_both_norms(memory_format):
    ibn = IBN(6)
    with torch.no_grad():
        for _ in range(3):
            ibn(torch.randn(4, 6, 5, 5) * 3 + 1)
        for parameter in ibn.parameters():
            parameter.uniform_(-1, 1)
        x = (torch.randn(4, 6, 5, 3) + 2).contiguous(memory_format=memory_format)
        out = ibn.eval()(x)
        expected = torch.cat((ibn.IN(x[:, :3]), ibn.BN(x[:, 3:])), dim=1)
    assert torch.allclose(out, expected, atol=1e-5)


@pytest.mark.parametrize("memory_format", LAYOUTS)
def test_ibn_in_training_is_both_norms(memory_format):
    torch.manual_seed(0)
    ours, theirs = drawn_ibn(7), IBN(7)
    theirs.load_state_dict(ours.state_dict())
    for _ in range(3):
        x = (torch.randn(4, 7, 5, 3) * 2 + 30).contiguous(memory_format=memory_format)
        inputs = [x.clone().requires_grad_() for _ in range(2)]
        outputs = ours(inputs[0]), both_norms(theirs, inputs[1])
        assert torch.allclose(*outputs, atol=1e-4)
        assert outputs[0].is_contiguous(memory_format=memory_format)
        weights = torch.randn(4, 7, 5, 3)
        for out in outputs:
            (out * weights).sum().backward()
        assert torch.allclose(inputs[0].grad, inputs[1].grad, atol=1e-4)
        for own, other in zip(ours.parameters(), theirs.parameters()):
            assert torch.allclose(own.grad, other.grad, atol=1e-3)
        for own, other in zip(ours.buffers(), theirs.buffers()):
            assert own.dtype == other.dtype and torch.allclose(own, other, rtol=1e-5)


def test_ibn_gradients():
    ibn = drawn_ibn(5, torch.float64)
    names, values = zip(*ibn.named_parameters())

    def normalise(x, *parameters):
        return torch.func.functional_call(ibn, dict(zip(names, parameters)), (x,))

    x = torch.randn(3, 5, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(normalise, (x, *values))


def test_ibn_in_bfloat16():
    ibn = drawn_ibn(6)
    x = torch.randn(4, 6, 5, 3) * 3 + 1
    out = ibn(x.bfloat16())
    assert out.dtype == torch.bfloat16
    assert torch.allclose(out.float(), both_norms(ibn, x), atol=0.05)
    assert all(buffer.dtype == torch.float32 for buffer in ibn.buffers() if buffer.is_floating_point())


def test_a_batch_norm_in_eval_mode_keeps_its_statistics():
    ibn = drawn_ibn(6)
    ibn.BN.eval()
    x = torch.randn(4, 6, 5, 3) + 2
    assert torch.allclose(ibn(x), both_norms(ibn, x))
    assert torch.equal(ibn.BN.running_mean, torch.zeros(3))


def test_another_batch_norm_is_used():
    class Doubling(nn.BatchNorm2d):
        def forward(self, x):
            return 2 * x

    ibn = IBN(6)
    ibn.BN = Doubling(3)
    x = torch.randn(4, 6, 5, 3)
    assert torch.equal(ibn(x)[:, 3:], 2 * x[:, 3:])


def test_maps_of_one_position_have_no_variance():
    with pytest.raises(ValueError, match="more than 1 spatial element"):
        IBN(6)(torch.randn(4, 6, 1, 1))
