"""Published Re-ID models in miniature: names and networks written from the projects' definitions, tensors drawn."""

import torch
import torch.nn.functional as F

# Two of the four stages, where the size of the network does not matter.
CUT = (1, 2)
NUM_IDS = 7
BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


# ---- the sources, from the projects' code ----


class Draw:
    """Tensors of a network's parts under a prefix."""

    def __init__(self, seed=0):
        self.g = torch.Generator().manual_seed(seed)
        self.weights = {}

    def normal(self, key, *shape, std=1.0):
        self.weights[key] = torch.randn(*shape, generator=self.g) * std

    def conv(self, key, out, in_, size):
        self.normal(f"{key}.weight", out, in_, size, size, std=(2 / (in_ * size * size)) ** 0.5)

    def affine(self, key, channels):
        self.weights[f"{key}.weight"] = torch.rand(channels, generator=self.g) + 0.5
        self.normal(f"{key}.bias", channels, std=0.2)

    def bn(self, key, channels):
        self.affine(key, channels)
        self.normal(f"{key}.running_mean", channels, std=0.2)
        self.weights[f"{key}.running_var"] = torch.rand(channels, generator=self.g) + 0.5
        self.weights[f"{key}.num_batches_tracked"] = torch.tensor(90)

    def resnet(self, prefix, depth, stages=CUT, ibn=True):
        """ResNet-IBN-a as IBN-Net and all three projects name it; returns the last map's channels."""
        self.conv(f"{prefix}conv1", 64, 3, 7)
        self.bn(f"{prefix}bn1", 64)
        in_ = 64
        for stage in stages:
            for i in range(BLOCKS[depth][stage - 1]):
                in_ = self.block(f"{prefix}layer{stage}.{i}", in_, 32 * 2**stage, depth, ibn and stage < 4, i == 0)
        return in_

    def block(self, key, in_, planes, depth, ibn, first):
        out = planes * (4 if depth == 50 else 1)
        shapes = ((planes, in_, 3), (planes, planes, 3))
        if depth == 50:
            shapes = ((planes, in_, 1), (planes, planes, 3), (out, planes, 1))
        for i, shape in enumerate(shapes, start=1):
            self.conv(f"{key}.conv{i}", *shape)
            if i == 1 and ibn:
                self.affine(f"{key}.bn1.IN", planes // 2)
                self.bn(f"{key}.bn1.BN", planes - planes // 2)
            else:
                self.bn(f"{key}.bn{i}", shape[0])
        if first and in_ != out:
            self.conv(f"{key}.downsample.0", out, in_, 1)
            self.bn(f"{key}.downsample.1", out)
        return out

    def non_local(self, key, channels):
        """``Non_local`` of ReID-Survey and fast-reid."""
        for name in ("g", "theta", "phi"):
            self.conv(f"{key}.{name}", 1, channels, 1)
            self.normal(f"{key}.{name}.bias", 1)
        self.conv(f"{key}.W.0", channels, 1, 1)
        self.normal(f"{key}.W.0.bias", channels)
        self.bn(f"{key}.W.1", channels)


def strong_baseline(depth=18, stages=CUT, num_ids=NUM_IDS, ibn=True):
    """``Baseline(neck='bnneck')`` of reid-strong-baseline; a ResNet_IBN as ``base`` has ImageNet's fc, too."""
    draw = Draw()
    channels = draw.resnet("base.", depth, stages, ibn)
    if ibn:
        draw.normal("base.fc.weight", 1000, channels)
        draw.normal("base.fc.bias", 1000)
    draw.bn("bottleneck", channels)
    draw.normal("classifier.weight", num_ids, channels, std=0.001)
    return draw.weights


def fast_reid(neck="heads.bottleneck.0", classifier="heads.weight"):
    """``Baseline`` of fast-reid with WITH_IBN and average pooling, as its Checkpointer saves it."""
    draw = Draw(1)
    draw.weights["pixel_mean"] = torch.tensor(MEAN).view(1, 3, 1, 1)
    draw.weights["pixel_std"] = torch.tensor(STD).view(1, 3, 1, 1)
    channels = draw.resnet("backbone.", 18)
    draw.bn(neck, channels)
    draw.normal(classifier, NUM_IDS, channels, std=0.01)
    return dict(model=draw.weights, optimizer=dict(state={}, param_groups=[dict(lr=1e-3)]), iteration=9, epoch=1)


def reid_survey():
    """``Baseline('resnet50_nl', gem_pool='on')`` of ReID-Survey, of a ResNet-18: no IBN."""
    draw = Draw(2)
    channels = draw.resnet("base.", 18, ibn=False)
    for i in range(2):
        draw.non_local(f"base.NL_2.{i}", channels)
    draw.weights["global_pool.p"] = torch.tensor([2.5])
    draw.bn("bottleneck", channels)
    draw.normal("classifier.weight", NUM_IDS, channels)
    return draw.weights


def fast_reid_agw():
    """``Baseline`` of fast-reid with WITH_IBN, WITH_NL and a trained GeM."""
    source = fast_reid()
    draw = Draw(3)
    for i in range(2):
        draw.non_local(f"backbone.NL_2.{i}", 128)
    source["model"].update(draw.weights, **{"heads.pool_layer.p": torch.tensor([3.5])})
    return source


# ---- the same networks as plain functions of the source's tensors ----


def norm(w, key, x):
    if f"{key}.IN.weight" in w:
        half = len(w[f"{key}.IN.weight"])
        first = F.instance_norm(x[:, :half], weight=w[f"{key}.IN.weight"], bias=w[f"{key}.IN.bias"])
        return torch.cat((first, norm(w, f"{key}.BN", x[:, half:])), dim=1)
    statistics = w[f"{key}.running_mean"], w[f"{key}.running_var"]
    return F.batch_norm(x, *statistics, w[f"{key}.weight"], w[f"{key}.bias"])


def resnet(w, prefix, x, depth=18):
    """Last stride 1; the projects' stems differ."""
    x = norm(w, f"{prefix}bn1", F.conv2d(x, w[f"{prefix}conv1.weight"], stride=2, padding=3))
    if prefix == "backbone.":  # fast-reid
        x = F.max_pool2d(x.relu(), 3, 2, ceil_mode=True)
    else:
        x = F.max_pool2d(x.relu() if any(".IN." in key for key in w) else x, 3, 2, padding=1)
    for stage, blocks in enumerate(BLOCKS[depth], start=1):
        for i in range(blocks if f"{prefix}layer{stage}.0.conv1.weight" in w else 0):
            x = residual_block(w, f"{prefix}layer{stage}.{i}", x, 2 if i == 0 and stage in (2, 3) else 1, depth)
            if f"{prefix}NL_{stage}.{i}.g.weight" in w:  # two behind the two blocks of a stage
                x = non_local(w, f"{prefix}NL_{stage}.{i}", x)
    return x


def non_local(w, key, x):
    g, theta, phi = (
        F.conv2d(x, w[f"{key}.{n}.weight"], w[f"{key}.{n}.bias"]).flatten(1) for n in ("g", "theta", "phi")
    )
    y = torch.einsum("bi,bj,bj->bi", theta, phi, g) / g.shape[1]
    y = F.conv2d(y.view(len(x), 1, *x.shape[2:]), w[f"{key}.W.0.weight"], w[f"{key}.W.0.bias"])
    return x + norm(w, f"{key}.W.1", y)


def residual_block(w, key, x, stride, depth):
    strides = (1, stride, 1) if depth == 50 else (stride, 1)
    y = x
    for i, s in enumerate(strides, start=1):
        weight = w[f"{key}.conv{i}.weight"]
        y = norm(w, f"{key}.bn{i}", F.conv2d(y, weight, stride=s, padding=weight.shape[-1] // 2))
        y = y.relu() if i < len(strides) else y
    if f"{key}.downsample.0.weight" in w:
        x = norm(w, f"{key}.downsample.1", F.conv2d(x, w[f"{key}.downsample.0.weight"], stride=stride))
    return (x + y).relu()


def embed(w, images, backbone="base.", neck="bottleneck", depth=18, p=None):
    """``p``: exponent of a generalised mean instead of the average."""
    feats = resnet(w, backbone, images, depth)
    pooled = feats.mean(dim=(2, 3)) if p is None else (feats.clamp(min=1e-6) ** p).mean(dim=(2, 3)) ** (1 / p)
    return norm(w, neck, pooled)
