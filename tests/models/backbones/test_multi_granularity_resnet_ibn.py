import torch

from mmpersonsearch.models.backbones import MultiGranularityResNetIBN, ResNetIBN


def num_parameters(model):
    return sum(p.numel() for p in model.parameters())


def test_parameters_are_the_published_ones():
    # ResNet-50 without its classifier has 23,508,032; conv4_2 to conv4_6 5,585,920 of them, conv5_x 14,964,736.
    assert num_parameters(MultiGranularityResNetIBN(50)) == 23_508_032 + 2 * (5_585_920 + 14_964_736)


def test_shapes():
    maps = MultiGranularityResNetIBN(18).eval()(torch.randn(2, 3, 96, 32))
    assert [tuple(one.shape) for one in maps] == [(2, 512, 3, 1), (2, 512, 6, 2), (2, 512, 6, 2)]


def test_trunk_and_branch_make_the_whole(tmp_path):
    wholes = [ResNetIBN(18, last_stride=stride).eval() for stride in (2, 1)]
    wholes[1].load_state_dict(wholes[0].state_dict())
    torch.save(wholes[0].state_dict(), tmp_path / "ibn.pth")
    net = MultiGranularityResNetIBN(18, init_cfg=dict(type="Pretrained", checkpoint=str(tmp_path / "ibn.pth"))).eval()
    net.init_weights()
    keys = set(net.trunk.state_dict()) | set(net.branches[0].state_dict())
    assert keys == set(wholes[0].state_dict())
    assert not set(net.trunk.state_dict()) & set(net.branches[0].state_dict())
    image = torch.randn(2, 3, 64, 32)
    outs = net(image)
    for out, whole in zip(outs, (wholes[0], wholes[1], wholes[1]), strict=True):
        assert torch.allclose(out, whole(image)[-1], rtol=1e-4, atol=1e-5)


def test_branches_share_nothing_behind_the_trunk():
    net = MultiGranularityResNetIBN(18)
    pointers = [{p.data_ptr() for p in branch.parameters()} for branch in net.branches]
    assert not (pointers[0] & pointers[1] or pointers[0] & pointers[2] or pointers[1] & pointers[2])
    net(torch.randn(2, 3, 64, 32))[1].sum().backward()
    assert net.trunk.conv1.weight.grad is not None
    assert net.branches[1].layer4[0].conv1.weight.grad is not None
    assert net.branches[0].layer4[0].conv1.weight.grad is None
