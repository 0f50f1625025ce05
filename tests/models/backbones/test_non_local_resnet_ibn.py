import pytest
import torch

from mmpersonsearch.models.backbones import NonLocalBlock, NonLocalResNetIBN, ResNetIBN


def num_parameters(model):
    return sum(p.numel() for p in model.parameters())


def draw_norm(norm, generator):
    for tensor in (norm.weight, norm.bias, norm.running_mean):
        tensor.data.normal_(generator=generator)
    norm.running_var.data.uniform_(0.5, 2, generator=generator)


def test_block_by_definition():
    g = torch.Generator().manual_seed(0)
    block = NonLocalBlock(6).eval()
    for parameter in block.parameters():
        parameter.data.normal_(generator=g)
    draw_norm(block.conv_out.bn, g)
    x = torch.randn(2, 6, 4, 3, generator=g)
    theta, phi, values = (
        torch.einsum("oc,nchw->nohw", part.conv.weight[:, :, 0, 0], x) + part.conv.bias.view(-1, 1, 1)
        for part in (block.theta, block.phi, block.g)
    )
    expected = x.clone()
    for n in range(2):
        for i in range(4):
            for j in range(3):
                # one inner channel: the mean over all positions of theta_i phi_k g_k
                y = (theta[n, 0, i, j] * phi[n, 0] * values[n, 0]).mean()
                out = block.conv_out.conv.weight[:, 0, 0, 0] * y + block.conv_out.conv.bias
                bn = block.conv_out.bn
                out = (out - bn.running_mean) / (bn.running_var + bn.eps).sqrt() * bn.weight + bn.bias
                expected[n, :, i, j] += out
    assert torch.allclose(block(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("depth", "num_non_local", "channels"),
    [(50, (0, 2, 3, 0), [512] * 2 + [1024] * 3), (18, (0, 2, 2, 0), [128] * 2 + [256] * 2)],
)
def test_parameters_are_the_published_ones(depth, num_non_local, channels):
    net = NonLocalResNetIBN(depth, num_non_local)
    # g, theta, phi: C + 1 each; W: C weights, C biases and a batch norm of 2 C
    assert num_parameters(net) - num_parameters(ResNetIBN(depth)) == sum(7 * c + 3 for c in channels)
    assert {key for key in net.state_dict() if "non_local" not in key} == set(ResNetIBN(depth).state_dict())


def test_blocks_stand_behind_the_last_blocks_of_their_stages():
    net = NonLocalResNetIBN(50).eval()
    for block in (m for m in net.modules() if isinstance(m, NonLocalBlock)):
        torch.nn.init.ones_(block.conv_out.bn.weight)
    seen = []
    for name, module in net.named_modules():
        if isinstance(module, NonLocalBlock) or (name.startswith("layer") and name.count(".") == 1):
            module.register_forward_hook(lambda *_, name=name: seen.append(name))
    net(torch.randn(1, 3, 64, 32))
    layer2 = ["layer2.0", "layer2.1", "layer2.2", "non_local2.0", "layer2.3", "non_local2.1"]
    layer3 = [f"layer3.{i}" for i in range(3)]
    layer3 += [name for i in range(3) for name in (f"layer3.{i + 3}", f"non_local3.{i}")]
    assert seen == [*(f"layer1.{i}" for i in range(3)), *layer2, *layer3, *(f"layer4.{i}" for i in range(3))]


@pytest.mark.parametrize("pretrained", [True, False])
def test_starts_as_the_pretrained_network(pretrained, tmp_path):
    plain = ResNetIBN(18, last_stride=1).eval()
    torch.save(plain.state_dict(), tmp_path / "ibn.pth")
    init_cfg = dict(type="Pretrained", checkpoint=str(tmp_path / "ibn.pth")) if pretrained else None
    net = NonLocalResNetIBN(18, (0, 1, 2, 0), last_stride=1, init_cfg=init_cfg).eval()
    net.init_weights()
    if not pretrained:
        plain.load_state_dict({k: v for k, v in net.state_dict().items() if "non_local" not in k})
    image = torch.randn(2, 3, 64, 32)
    assert torch.equal(net(image)[-1], plain(image)[-1])


def test_other_weights_may_not_be_missing(tmp_path):
    weights = ResNetIBN(18).state_dict()
    del weights["layer2.0.conv1.weight"]
    torch.save(weights, tmp_path / "ibn.pth")
    init_cfg = dict(type="Pretrained", checkpoint=str(tmp_path / "ibn.pth"))
    with pytest.raises(ValueError, match=r"ResNetIBN: layer2\.0\.conv1\.weight is missing$"):
        NonLocalResNetIBN(18, (0, 1, 1, 0), init_cfg=init_cfg).init_weights()


@pytest.mark.parametrize("num_non_local", [(0, 2, 3, 0), (0, 2, 2), (0, -1, 0, 0)])
def test_bad_arguments(num_non_local):
    with pytest.raises(ValueError, match="num_non_local must be four numbers"):
        NonLocalResNetIBN(18, num_non_local)
