import pytest
import torch
import torch.nn.functional as F
from mmengine.model import convert_sync_batchnorm
from torch import nn

from mmpersonsearch.models.backbones import KnowledgeTransferBridge, ResNetIBN

torchvision = pytest.importorskip("torchvision")  # behind our package, which makes it importable


def published_names(depth):
    """Parameter names and shapes of the published IBN-Net-a weights, written from its definition."""
    bottleneck, counts = depth >= 50, {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}[depth]
    expansion = 4 if bottleneck else 1
    names = {"conv1.weight": (64, 3, 7, 7)}

    def norm(prefix, channels):
        for key in ("weight", "bias", "running_mean", "running_var"):
            names[f"{prefix}.{key}"] = (channels,)

    norm("bn1", 64)
    inplanes = 64
    for stage, count in enumerate(counts, 1):
        planes = 32 * 2**stage
        for i in range(count):
            block = f"layer{stage}.{i}"
            kernels = (1, 3, 1) if bottleneck else (3, 3)
            widths = (planes, planes, planes * 4) if bottleneck else (planes, planes)
            before = inplanes
            for j, (kernel, width) in enumerate(zip(kernels, widths), 1):
                names[f"{block}.conv{j}.weight"] = (width, before, kernel, kernel)
                if j == 1 and stage < 4:
                    names[f"{block}.bn1.IN.weight"] = names[f"{block}.bn1.IN.bias"] = (planes // 2,)
                    norm(f"{block}.bn1.BN", planes - planes // 2)
                else:
                    norm(f"{block}.bn{j}", width)
                before = width
            out = planes * expansion
            if i == 0 and (stage > 1 or inplanes != out):
                names[f"{block}.downsample.0.weight"] = (out, inplanes, 1, 1)
                norm(f"{block}.downsample.1", out)
            inplanes = out
    return names


@pytest.mark.parametrize("depth", [18, 34, 50, 101])
def test_names_and_shapes_are_the_published_ones(depth):
    own = {k: tuple(v.shape) for k, v in ResNetIBN(depth).state_dict().items() if "num_batches" not in k}
    assert own == published_names(depth)


@pytest.mark.parametrize(("depth", "channels"), [(18, (64, 128, 256, 512)), (50, (256, 512, 1024, 2048))])
def test_shapes(depth, channels):
    net = ResNetIBN(depth, out_stages=(1, 2, 3, 4)).eval()
    outs = net(torch.randn(1, 3, 64, 96))
    assert [tuple(o.shape) for o in outs] == [(1, c, 64 // s, 96 // s) for c, s in zip(channels, (4, 8, 16, 32))]
    assert net.out_channels == channels[-1]


def test_without_the_stem_it_gives_one_map_as_a_head():
    head = ResNetIBN(18, stages=(3, 4)).eval()
    assert head(torch.randn(3, 128, 16, 8)).shape == (3, head.out_channels, 4, 2)


def test_last_stride():
    (out,) = ResNetIBN(18, last_stride=1).eval()(torch.randn(1, 3, 64, 32))
    assert out.shape[2:] == (4, 2)


def test_parts_make_the_whole(tmp_path):
    whole = ResNetIBN(18).eval()
    path = tmp_path / "ibn.pth"
    torch.save(dict(whole.state_dict(), **{"fc.weight": torch.zeros(3, 512)}), path)
    pretrained = dict(type="Pretrained", checkpoint=str(path))
    part1 = ResNetIBN(18, stages=(1, 2), init_cfg=pretrained).eval()
    bridge = KnowledgeTransferBridge(18, init_cfg=pretrained).eval()
    part2 = ResNetIBN(18, stages=(3, 4), init_cfg=pretrained).eval()
    for part in (part1, part2, bridge):
        part.init_weights()
    image = torch.randn(2, 3, 64, 32)
    assert torch.allclose(part2(part1(image)[-1]), whole(image)[-1], rtol=1e-3, atol=1e-4)
    assert torch.allclose(bridge(image), part1(image)[-1], rtol=1e-3, atol=1e-4)


def test_partial_checkpoint(tmp_path):
    weights = ResNetIBN(18).state_dict()
    del weights["layer2.0.bn1.IN.weight"]
    torch.save(weights, tmp_path / "ibn.pth")
    net = ResNetIBN(18, stages=(1, 2), init_cfg=dict(type="Pretrained", checkpoint=str(tmp_path / "ibn.pth")))
    with pytest.raises(ValueError, match=r"ibn\.pth does not fit ResNetIBN: layer2\.0\.bn1\.IN\.weight is missing$"):
        net.init_weights()


def test_weights_of_a_whole_models_checkpoint(tmp_path):
    whole = ResNetIBN(18)
    state_dict = {f"backbone.{key}": value for key, value in whole.state_dict().items()}
    torch.save(dict(state_dict=state_dict, meta={}), tmp_path / "model.pth")
    part = ResNetIBN(18, stages=(4,), init_cfg=dict(type="Pretrained", checkpoint=str(tmp_path / "model.pth")))
    with pytest.raises(ValueError, match=r"does not fit ResNetIBN: layer4\.0\.conv1\.weight is missing"):
        part.init_weights()
    part.init_cfg["prefix"] = "backbone."
    part.init_weights()
    assert torch.equal(part.layer4[0].conv1.weight, whole.layer4[0].conv1.weight)


def test_missing_checkpoint(tmp_path):
    net = ResNetIBN(18, init_cfg=dict(type="Pretrained", checkpoint=str(tmp_path / "nowhere.pth")))
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pth"):
        net.init_weights()


def test_none_means_from_scratch():
    net = ResNetIBN(18, init_cfg=dict(type="Pretrained", checkpoint="none"))
    before = net.conv1.weight.clone()
    net.init_weights()
    assert not torch.equal(net.conv1.weight, before)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (dict(depth=20), "depth must be one of"),
        (dict(depth=18, stages=(1, 3)), "stages must be consecutive"),
        (dict(depth=18, stages=(4, 5)), "stages must be consecutive"),
        (dict(depth=18, stages=(1, 2), out_stages=(3,)), "out_stages"),
    ],
)
def test_bad_arguments(args, message):
    with pytest.raises(ValueError, match=message):
        ResNetIBN(**args)


@pytest.mark.parametrize("depth", [18, 50])
def test_stages_cut_inside_make_the_whole(depth):
    whole = ResNetIBN(depth).eval()
    front = ResNetIBN(depth, stages=(1, 2, 3), stage_blocks={3: (0, 1)}).eval()
    back = ResNetIBN(depth, stages=(3, 4), stage_blocks={3: (1, None)}).eval()
    weights = whole.state_dict()
    assert sorted([*front.state_dict(), *back.state_dict()]) == sorted(weights)
    for part in (front, back):
        part.load_state_dict({key: weights[key] for key in part.state_dict()})
    image = torch.randn(2, 3, 64, 32)
    assert torch.allclose(back(front(image)[-1]), whole(image)[-1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("depth", [18, 50])
def test_without_ibn_it_is_torchvisions_resnet(depth):
    published = getattr(torchvision.models, f"resnet{depth}")(num_classes=1).eval()
    net = ResNetIBN(depth, ibn_stages=()).eval()
    missing, unexpected = net.load_state_dict(published.state_dict(), strict=False)
    assert (missing, unexpected) == ([], ["fc.weight", "fc.bias"])
    published.fc, published.avgpool = torch.nn.Identity(), torch.nn.Identity()
    image = torch.randn(2, 3, 64, 32)
    assert torch.allclose(net(image)[-1].flatten(1), published(image), rtol=1e-3, atol=1e-4)


def test_stems_of_published_networks():
    images = torch.randn(2, 3, 32, 24)
    plain = ResNetIBN(18, stages=(1,))
    for kwargs, pool in (
        (dict(stem_relu=False), lambda x: F.max_pool2d(x, 3, 2, padding=1)),
        (dict(stem_padding=0), lambda x: F.max_pool2d(x.relu(), 3, 2, ceil_mode=True)),
    ):
        net = ResNetIBN(18, stages=(1,), **kwargs).eval()
        net.load_state_dict(plain.state_dict())
        expected = net.layer1(pool(net.bn1(net.conv1(images))))
        assert torch.allclose(net(images)[-1], expected, atol=1e-5)
        assert not torch.allclose(plain.eval()(images)[-1], expected, atol=1e-2)


@pytest.mark.parametrize("norm_eval", [False, True])
def test_batch_norms_may_keep_their_statistics_in_training(norm_eval):
    net = ResNetIBN(18, stages=(1, 2), norm_eval=norm_eval).train()
    assert net.training and net.layer1.training
    before = {key: value.clone() for key, value in net.named_buffers()}
    images = torch.randn(4, 3, 64, 32)
    (out,) = net(images)
    out.sum().backward()
    changed = [key for key, value in net.named_buffers() if not torch.equal(value, before[key])]
    assert changed == ([] if norm_eval else list(before))
    assert net.layer1[0].bn1.BN.weight.grad.abs().sum() > 0  # scales learn all the same
    if norm_eval:
        assert torch.allclose(out, net.eval()(images)[-1], rtol=1e-3, atol=1e-3)


def test_synchronised_batch_norms_keep_their_statistics_too():
    """A model is converted after it was built, as MMEngine's runner does with ``sync_bn``."""
    net = convert_sync_batchnorm(ResNetIBN(18, stages=(1, 2), norm_eval=True), "torch").train()
    norms = [module for module in net.modules() if isinstance(module, nn.SyncBatchNorm)]
    assert len(norms) == 10 and isinstance(net.layer1[0].bn1.BN, nn.SyncBatchNorm)
    assert net.layer1.training and not any(norm.training for norm in norms)
    images = torch.randn(2, 3, 64, 32)
    assert torch.allclose(net(images)[-1], net.eval()(images)[-1], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize("init_cfg", [None, dict(type="Pretrained", checkpoint="none")])
def test_blocks_may_start_as_the_identity(depth, init_cfg):
    network = ResNetIBN(depth, stages=(2, 3), zero_init_residual=True, init_cfg=init_cfg)
    network.init_weights()
    x = torch.rand(2, 64 * (4 if depth == 50 else 1), 8, 8)
    for layer in (network.layer2, network.layer3):
        first, *others = layer
        # The first block's shortcut changes the shape; what is added to it is 0.
        assert torch.equal(first(x), first.downsample(x).relu())
        x = first(x)
        for block in others:
            assert torch.equal(block(x), x)


def test_pretrained_weights_are_not_reset(tmp_path):
    torch.save(ResNetIBN(18).state_dict(), tmp_path / "weights.pth")
    init_cfg = dict(type="Pretrained", checkpoint=str(tmp_path / "weights.pth"))
    network = ResNetIBN(18, zero_init_residual=True, init_cfg=init_cfg)
    network.init_weights()
    assert torch.equal(network.layer1[0].bn2.weight, torch.ones(64))


@pytest.mark.parametrize(
    ("frozen_stages", "frozen"), [(-1, set()), (0, {"conv1", "bn1"}), (1, {"conv1", "bn1", "layer1"})]
)
def test_frozen_stages_keep_weights_and_statistics(frozen_stages, frozen):
    net = ResNetIBN(18, stages=(1, 2), frozen_stages=frozen_stages).train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    (out,) = net(torch.randn(4, 3, 64, 32))
    out.square().sum().backward()
    torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1).step()
    parts = {"conv1", "bn1", "layer1", "layer2"}
    kept = {
        part
        for part in parts
        if all(torch.equal(v, before[k]) for k, v in net.state_dict().items() if k.startswith(part))
    }
    assert kept == frozen
    assert net.eval().train().layer2.training and net.layer1.training == ("layer1" not in frozen)


def test_a_bridge_takes_the_options_of_its_network():
    bridge = KnowledgeTransferBridge(18, norm_eval=True, stem_relu=False).train()
    assert not bridge.bn1.training and isinstance(bridge.relu, nn.Identity)
