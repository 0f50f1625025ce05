"""The Re-ID teachers as their configs build them, beside the published networks."""

import copy
import re

import pytest
import torch
from mmdet.structures import ReIDDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from tiny_models import CONFIGS, SYNTH, build_model, draw_batch

from mmpersonsearch.registry import MODELS

resnet50 = pytest.importorskip("torchvision.models").resnet50

TEACHERS = ["bot", "mgn", "agw"]


def build_teacher(name, num_ids=751, **backbone):
    init_default_scope("mmpersonsearch")
    torch.manual_seed(0)
    folder = SYNTH if name.endswith("r18ibn") else CONFIGS
    cfg = Config.fromfile(folder / f"_base_/teachers/{name}.py").teacher
    cfg.head.num_ids = num_ids
    cfg.backbone.update(backbone)
    return MODELS.build(cfg)


def shake(model, seed=0):
    """Give batch norms and zero-initialised layers values that matter."""
    g = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
            module.running_mean.normal_(0, 0.2, generator=g)
            for tensor in (module.weight.data, module.running_var):
                tensor.uniform_(0.5, 1.5, generator=g)
            module.bias.data.normal_(0, 0.2, generator=g)
    return model.eval()


def settle(model, images):
    """Take the batch norms' statistics from images, so that values keep a size through 50 layers."""
    shake(model)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(images)
    return model.eval()


def num_parameters(model):
    return sum(p.numel() for p in model.parameters())


# ResNet-50 without its classifier: 23,508,032; an IBN has a batch norm's number of parameters.
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # BNNeck 2 x 2048, classifier 2048 x 751
        ("bot_r50ibn", 23_508_032 + 4096 + 1_538_048),
        # and non-local blocks of 7 C + 3, C = 512 twice and 1024 three times, and GeM's p
        ("agw_r50ibn", 23_508_032 + 28_687 + 1 + 4096 + 1_538_048),
        # two further conv4_2 to conv5_3, 8 reductions of 2048 x 256 + 512, classifiers 3 x 2048 x 751, 5 x 256 x 751;
        # public implementations have 70.4 M: their 8 classifiers are of 256 x 751
        ("mgn_r50ibn", 23_508_032 + 2 * 20_550_656 + 8 * 524_800 + 4_614_144 + 961_280),
    ],
)
def test_parameters_are_the_published_ones(name, expected):
    assert num_parameters(build_teacher(name)) == expected


@pytest.mark.parametrize("algorithm", TEACHERS)
@pytest.mark.parametrize(("backbone", "size", "width"), [("r50ibn", (96, 32), 2048), ("r18ibn", (128, 64), 512)])
def test_width_is_the_students(algorithm, backbone, size, width):
    teacher = build_teacher(f"{algorithm}_{backbone}", num_ids=3).eval()
    assert teacher.head.out_channels == width
    assert teacher(torch.randn(2, 3, *size)).shape == (2, width)


@pytest.mark.parametrize("algorithm", TEACHERS)
def test_embedding_is_deterministic_and_the_same_in_any_memory_format(algorithm):
    teacher = shake(build_teacher(f"{algorithm}_r18ibn", num_ids=3))
    crops = torch.randn(3, 3, 128, 64)
    with torch.no_grad():
        feats = teacher(crops)
        assert torch.equal(teacher(crops), feats)
        other = copy.deepcopy(teacher).to(memory_format=torch.channels_last)
        for model in (teacher, other):
            again = model(crops.contiguous(memory_format=torch.channels_last))
            assert torch.allclose(again, feats, rtol=1e-3, atol=1e-4)
        assert torch.allclose(teacher(crops[1:2]), feats[1:2], rtol=1e-3, atol=1e-4)


@torch.no_grad()
def check_same_embedding(teacher, published, crops):
    # Drawn weights amplify rounding: in float32 the two differ by the number of threads alone.
    teacher, published, crops = teacher.double(), published.double(), crops.double()
    expected = published(crops)
    assert expected.std() > 0.1
    assert (expected[0] - expected[1]).abs().mean() > 0.01
    assert torch.allclose(teacher(crops), expected, rtol=1e-6, atol=1e-6)


class PublishedAGW(torch.nn.Module):
    """AGW's network as published with the paper (ReID-Survey), written from its definition over torchvision's parts.

    A plain ResNet-50 of last stride 1 whose stem has no ReLU, non-local blocks, GeM, BNNeck.
    """

    def __init__(self):
        super().__init__()
        self.base = resnet50(num_classes=1)
        self.base.layer4[0].conv2.stride = self.base.layer4[0].downsample[0].stride = (1, 1)
        for stage, channels, number in ((2, 512, 2), (3, 1024, 3)):
            blocks = torch.nn.ModuleList(torch.nn.ModuleDict() for _ in range(number))
            for block in blocks:
                for part in ("g", "theta", "phi"):
                    block[part] = torch.nn.Conv2d(channels, 1, 1)
                block["W"] = torch.nn.Sequential(torch.nn.Conv2d(1, channels, 1), torch.nn.BatchNorm2d(channels))
            self.base.add_module(f"NL_{stage}", blocks)
        self.global_pool = torch.nn.Module()
        self.global_pool.p = torch.nn.Parameter(torch.tensor([2.5]))
        self.bottleneck = torch.nn.BatchNorm1d(2048)
        self.classifier = torch.nn.Linear(2048, 5, bias=False)

    def attend(self, block, x):
        theta, phi, g = (block[part](x).flatten(2) for part in ("theta", "phi", "g"))
        pairs = torch.einsum("nci,ncj->nij", theta, phi) / theta.size(2)
        return x + block["W"](torch.einsum("nij,ncj->nci", pairs, g).unflatten(2, x.shape[2:]))

    def forward(self, x):
        base = self.base
        x = base.layer1(base.maxpool(base.bn1(base.conv1(x))))
        for stage in (2, 3):
            blocks, attentions = base.get_submodule(f"layer{stage}"), base.get_submodule(f"NL_{stage}")
            for i, block in enumerate(blocks, len(attentions) - len(blocks)):
                x = block(x)
                x = self.attend(attentions[i], x) if i >= 0 else x
        p = self.global_pool.p
        return self.bottleneck(base.layer4(x).clamp(min=1e-6).pow(p).mean((2, 3)).pow(1 / p))


class PublishedMGN(torch.nn.Module):
    """MGN's network with 256-channel features, written from its definition over torchvision's parts."""

    def __init__(self):
        super().__init__()
        whole = resnet50(num_classes=1)
        self.front = torch.nn.Sequential(
            whole.conv1, whole.bn1, whole.relu, whole.maxpool, whole.layer1, whole.layer2, whole.layer3[0]
        )
        for branch in (1, 2, 3):
            own = resnet50(num_classes=1)
            if branch > 1:
                own.layer4[0].conv2.stride = own.layer4[0].downsample[0].stride = (1, 1)
            self.add_module(f"p{branch}", torch.nn.Sequential(own.layer3[1:], own.layer4))
        for i in range(8):
            layers = (torch.nn.Conv2d(2048, 256, 1, bias=False), torch.nn.BatchNorm2d(256), torch.nn.ReLU())
            self.add_module(f"reduction_{i}", torch.nn.Sequential(*layers))

    def forward(self, x):
        x = self.front(x)
        maps = [self.get_submodule(f"p{branch}")(x) for branch in (1, 2, 3)]
        pooled = maps + list(maps[1].chunk(2, dim=2)) + list(maps[2].chunk(3, dim=2))
        feats = [self.get_submodule(f"reduction_{i}")(one.amax((2, 3), keepdim=True)) for i, one in enumerate(pooled)]
        return torch.cat(feats, dim=1).flatten(1)


def rename(weights, rules):
    """Weights under other names: one to one, each name by the first rule that fits; None drops it."""
    renamed = {}
    for key, value in weights.items():
        rule, target = next((rule, target) for rule, target in rules if re.fullmatch(rule, key))
        if target is not None:
            renamed[re.sub(rule, target, key)] = value
    return renamed


AGW_NAMES = [
    (r"base\.fc\..*", None),
    (r"base\.NL_(\d)\.(\d)\.(g|theta|phi)\.(.+)", r"backbone.non_local\1.\2.\3.conv.\4"),
    (r"base\.NL_(\d)\.(\d)\.W\.0\.(.+)", r"backbone.non_local\1.\2.conv_out.conv.\3"),
    (r"base\.NL_(\d)\.(\d)\.W\.1\.(.+)", r"backbone.non_local\1.\2.conv_out.bn.\3"),
    (r"base\.(.+)", r"backbone.\1"),
    (r"global_pool\.p", "neck.p"),
    (r"bottleneck\.(.+)", r"head.bn.\1"),
    (r"classifier\.weight", "head.classifier.weight"),
]


def test_agw_with_published_weights_gives_the_published_output():
    torch.manual_seed(0)
    crops = torch.randn(2, 3, 64, 32)
    published = settle(PublishedAGW(), torch.randn(8, 3, 64, 32))
    teacher = build_teacher("agw_r50ibn", num_ids=5, ibn_stages=(), stem_relu=False).eval()
    teacher.load_state_dict(rename(published.state_dict(), AGW_NAMES), strict=True)
    check_same_embedding(teacher, published, crops)


def mgn_names():
    front = {0: "conv1", 1: "bn1", 4: "layer1", 5: "layer2", 6: "layer3.0"}
    rules = [(rf"front\.{i}\.(.+)", rf"backbone.trunk.{name}.\1") for i, name in front.items()]
    for branch in (1, 2, 3):
        # torch.nn.Sequential numbers a slice from 0
        rules += [(rf"p{branch}\.0\.{i}\.(.+)", rf"backbone.branches.{branch - 1}.layer3.{i + 1}.\1") for i in range(5)]
        rules.append((rf"p{branch}\.1\.(.+)", rf"backbone.branches.{branch - 1}.layer4.\1"))
    rules.append((r"reduction_(\d)\.0\.(.+)", r"head.reductions.\1.conv.\2"))
    rules.append((r"reduction_(\d)\.1\.(.+)", r"head.reductions.\1.bn.\2"))
    return rules


def renumbered(weights):
    """Slices of ``torch.nn.Sequential`` from 0, in whichever way torch numbers them."""
    first = min(int(key.split(".")[2]) for key in weights if key.startswith("p1.0."))
    return {
        re.sub(r"^(p\d\.0)\.(\d)", lambda m: f"{m[1]}.{int(m[2]) - first}", key): value
        for key, value in weights.items()
    }


def test_mgn_with_published_weights_gives_the_published_output():
    torch.manual_seed(0)
    crops = torch.randn(2, 3, 192, 64)
    published = settle(PublishedMGN(), torch.randn(4, 3, 192, 64))
    teacher = build_teacher("mgn_r50ibn", num_ids=5, ibn_stages=()).eval()
    weights = rename(renumbered(published.state_dict()), mgn_names())
    missing, unexpected = teacher.load_state_dict(weights, strict=False)
    assert not unexpected
    assert all(key.startswith("head.classifiers.") for key in missing)
    check_same_embedding(teacher, published, crops)


@pytest.mark.parametrize("algorithm", ["mgn", "agw"])
def test_teacher_is_hidden_and_frozen_in_the_student(algorithm):
    model = build_model(f"_{algorithm}-teacher").train()
    head = model.roi_head.reid_head
    teacher = head.teacher.model
    before = {key: value.clone() for key, value in teacher.state_dict().items()}
    images, samples = draw_batch([3, 2])
    losses = model.loss(images, samples)
    losses["loss_distill"].backward()
    assert 0 < losses["loss_distill"].item() <= 4 * head.loss_distill.loss_weight
    assert not any("teacher" in key for key in model.state_dict())
    assert not any(module.training for module in teacher.modules())
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(torch.equal(before[key], value) for key, value in teacher.state_dict().items())


@pytest.mark.parametrize("algorithm", TEACHERS)
def test_teacher_learns_its_own_task(algorithm):
    """A few steps on two persons' crops lower the losses."""
    teacher = build_teacher(f"{algorithm}_r18ibn", num_ids=2)
    teacher.init_weights()
    teacher.train()
    crops = torch.randn(4, 3, 64, 32) * 0.3
    crops[:2, 0] += 1
    samples = [ReIDDataSample().set_gt_label(int(i < 2)) for i in range(4)]
    optimizer = torch.optim.SGD([p for p in teacher.parameters() if p.requires_grad], lr=0.01)
    history = []
    for _ in range(3):
        losses = teacher(crops, samples, mode="loss")
        loss = losses["loss_id"] + losses["loss_triplet"]
        history.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert history[-1] < history[0]
