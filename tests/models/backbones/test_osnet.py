import pytest
import torch
from published_light_mbn import draw_osnet, osnet_maps
from published_reid import norm

from mmpersonsearch.models.backbones import MultiBranchOSNet, OSBlock, OSNet
from mmpersonsearch.utils.errors import InputError


def num_parameters(model):
    return sum(p.numel() for p in model.parameters())


def counted_parameters(model):
    """As torchreid counts them: a gate as often as it is used, for each of the four streams."""
    gates = sum(num_parameters(block.gate) for block in model.modules() if isinstance(block, OSBlock))
    return num_parameters(model) + 3 * gates


def pretrained(path):
    return dict(type="Pretrained", checkpoint=str(path))


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Weights by width, and files of them with the prefix of parallel training, as some are published."""
    weights = {width: draw_osnet(width, num_classes=10) for width in (1.0, 0.25)}
    folder = tmp_path_factory.mktemp("osnet")
    for width, one in weights.items():
        torch.save({f"module.{key}": value for key, value in one.items()}, folder / f"{width}.pth")
    return weights, folder


# torchreid's model complexity, without the classifier
@pytest.mark.parametrize(("width", "expected"), [(1.0, 2_193_616), (0.25, 203_568)])
def test_parameters_are_the_published_ones(width, expected):
    assert counted_parameters(OSNet(width, feat_channels=512)) == expected


@pytest.mark.parametrize("width", [1.0, 0.25])
def test_published_weights_give_the_published_output(published, width):
    weights, folder = published
    net = OSNet(width, feat_channels=512, init_cfg=pretrained(folder / f"{width}.pth")).eval().double()
    net.init_weights()
    assert set(net.state_dict()) == {key for key in weights[width] if not key.startswith("classifier")}
    images = torch.randn(2, 3, 64, 32).double()  # random weights make large values
    w = {key: value.double() for key, value in weights[width].items()}
    stem, last = osnet_maps(w, images)
    feats = norm(w, "fc.1", last.mean((2, 3)) @ w["fc.0.weight"].t() + w["fc.0.bias"]).relu()
    torch.testing.assert_close(net(images)[0], feats)
    net = OSNet(width, init_cfg=pretrained(folder / f"{width}.pth")).eval().double()
    net.init_weights()
    assert net(images)[0].shape == (2, net.out_channels, 4, 2)
    torch.testing.assert_close(net(images)[0], last)
    part = OSNet(width, part="stem", init_cfg=pretrained(folder / f"{width}.pth")).eval().double()
    part.init_weights()
    assert part(images)[0].shape == (2, part.out_channels, 8, 4) == (2, int(384 * width), 8, 4)
    torch.testing.assert_close(part(images)[0], stem)


def test_stem_and_branches_make_the_whole(published):
    whole = OSNet(0.25, init_cfg=pretrained(published[1] / "0.25.pth")).eval()
    net = MultiBranchOSNet(0.25, init_cfg=pretrained(published[1] / "0.25.pth")).eval()
    whole.init_weights()
    net.init_weights()
    stem, branch = set(net.stem.state_dict()), set(net.branches[0].state_dict())
    assert stem | branch == set(whole.state_dict())
    assert not stem & branch
    images = torch.randn(2, 3, 64, 32)
    for one in net(images):
        torch.testing.assert_close(one, whole(images)[0], rtol=1e-4, atol=1e-5)


def test_branches_share_nothing_behind_the_stem():
    net = MultiBranchOSNet(0.25)
    net(torch.randn(2, 3, 64, 32))[1].square().sum().backward()
    assert net.stem.conv1.conv.weight.grad.abs().sum() > 0
    assert all(p.grad is not None for p in net.branches[1].parameters())
    assert all(p.grad is None for branch in (net.branches[0], net.branches[2]) for p in branch.parameters())


def test_random_weights_keep_the_size_of_the_map():
    net = OSNet(0.25)
    net.init_weights()
    (out,) = net(torch.randn(4, 3, 64, 32))
    assert 0.1 < out.std() < 10
    assert (net.conv2[0].gate.fc1.bias == 0).all()


def test_weights_of_another_width_are_refused(published):
    net = OSNet(0.25, init_cfg=pretrained(published[1] / "1.0.pth"))
    with pytest.raises(InputError, match=r"does not fit OSNet: conv1\.conv\.weight has shape \(64, 3, 7, 7\)"):
        net.init_weights()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(width=0.3), "width must be .*, got 0.3"),
        (dict(part="neck"), "part must be .*, got 'neck'"),
        (dict(part="stem", feat_channels=512), "feat_channels needs the last map"),
    ],
)
def test_other_networks_are_refused(kwargs, message):
    with pytest.raises(InputError, match=message):
        OSNet(**kwargs)
