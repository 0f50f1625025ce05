"""Published OSNet and LightMBN: names and networks written from the projects' definitions, tensors drawn.

torchreid's OSNet and LightMBN's ``LMBN_n``, as plain functions of the tensors under the published names.
"""

import torch
import torch.nn.functional as F
from published_reid import Draw, norm

CHANNELS = (64, 256, 384, 512)


def draw_osnet(width=1.0, prefix="", num_classes=1000):
    """``osnet_x1_0(num_classes)`` of torchreid, or a narrower one, with its fully connected layer."""
    draw, (first, *others) = Draw(), [int(width * channels) for channels in CHANNELS]
    conv_norm(draw, f"{prefix}conv1", first, 3, 7)
    in_ = first
    for stage, out in enumerate(others, start=2):
        for i in range(2):
            os_block(draw, f"{prefix}conv{stage}.{i}", in_, out)
            in_ = out
        if stage < 4:
            conv_norm(draw, f"{prefix}conv{stage}.2.0", out, out, 1)
    conv_norm(draw, f"{prefix}conv5", out, out, 1)
    draw.normal(f"{prefix}fc.0.weight", 512, out, std=out**-0.5)
    draw.normal(f"{prefix}fc.0.bias", 512)
    draw.bn(f"{prefix}fc.1", 512)
    draw.normal(f"{prefix}classifier.weight", num_classes, 512)
    draw.normal(f"{prefix}classifier.bias", num_classes)
    return draw.weights


def conv_norm(draw, key, out, in_, size):
    draw.conv(f"{key}.conv", out, in_, size)
    draw.bn(f"{key}.bn", out)


def os_block(draw, key, in_, out):
    mid = out // 4
    conv_norm(draw, f"{key}.conv1", mid, in_, 1)
    for letter, depth in zip("abcd", (1, 2, 3, 4)):
        for i in range(depth):
            light = f"{key}.conv2{letter}" if depth == 1 else f"{key}.conv2{letter}.{i}"
            draw.conv(f"{light}.conv1", mid, mid, 1)
            draw.conv(f"{light}.conv2", mid, 1, 3)
            draw.bn(f"{light}.bn", mid)
    for name, (c_out, c_in) in dict(fc1=(mid // 16, mid), fc2=(mid, mid // 16)).items():
        draw.conv(f"{key}.gate.{name}", c_out, c_in, 1)
        draw.normal(f"{key}.gate.{name}.bias", c_out)
    conv_norm(draw, f"{key}.conv3", out, mid, 1)
    if in_ != out:
        conv_norm(draw, f"{key}.downsample", out, in_, 1)


def osnet_maps(w, x, prefix=""):
    """The stem's map (up to conv3[0]) and the last one."""
    x = conv_norm_relu(w, f"{prefix}conv1", x, stride=2, padding=3)
    x = F.max_pool2d(x, 3, 2, padding=1)
    for i in range(2):
        x = block(w, f"{prefix}conv2.{i}", x)
    x = F.avg_pool2d(conv_norm_relu(w, f"{prefix}conv2.2.0", x), 2)
    stem = block(w, f"{prefix}conv3.0", x)
    return stem, branch_map(w, stem, [f"{prefix}conv{i}" for i in (3, 4, 5)])


def branch_map(w, x, names):
    """From conv3[1] to conv5, which are called so."""
    third, fourth, fifth = names
    x = block(w, f"{third}.1", x)
    x = F.avg_pool2d(conv_norm_relu(w, f"{third}.2.0", x), 2)
    for i in range(2):
        x = block(w, f"{fourth}.{i}", x)
    return conv_norm_relu(w, fifth, x)


def conv_norm_relu(w, key, x, **kwargs):
    return norm(w, f"{key}.bn", F.conv2d(x, w[f"{key}.conv.weight"], **kwargs)).relu()


def block(w, key, x):
    reduced = conv_norm_relu(w, f"{key}.conv1", x)
    fused = 0
    for letter, depth in zip("abcd", (1, 2, 3, 4)):
        y = reduced
        for i in range(depth):
            light = f"{key}.conv2{letter}" if depth == 1 else f"{key}.conv2{letter}.{i}"
            y = F.conv2d(y, w[f"{light}.conv1.weight"])
            y = F.conv2d(y, w[f"{light}.conv2.weight"], padding=1, groups=y.shape[1])
            y = norm(w, f"{light}.bn", y).relu()
        g = y.mean((2, 3), keepdim=True)
        g = F.conv2d(g, w[f"{key}.gate.fc1.weight"], w[f"{key}.gate.fc1.bias"]).relu()
        fused = fused + y * F.conv2d(g, w[f"{key}.gate.fc2.weight"], w[f"{key}.gate.fc2.bias"]).sigmoid()
    out = norm(w, f"{key}.conv3.bn", F.conv2d(fused, w[f"{key}.conv3.conv.weight"]))
    if f"{key}.downsample.conv.weight" in w:
        x = norm(w, f"{key}.downsample.bn", F.conv2d(x, w[f"{key}.downsample.conv.weight"]))
    return (out + x).relu()


def draw_light_mbn(width=1.0, num_ids=7):
    """``LMBN_n`` as its released checkpoints name it; the maxpool is backone.1."""
    whole, weights = draw_osnet(width), {}
    for key, value in whole.items():
        for start, target in (("conv1", "0"), ("conv2", "2"), ("conv3.0", "3")):
            if key.startswith(f"{start}."):
                weights[f"backone.{target}{key[len(start) :]}"] = value
    channels = int(512 * width)
    draw = Draw(4)
    for name in ("global", "partial", "channel"):
        third = int(384 * width)
        os_block(draw, f"{name}_branch.0.1", third, third)
        conv_norm(draw, f"{name}_branch.0.2.0", third, third, 1)
        os_block(draw, f"{name}_branch.1.0", third, channels)
        os_block(draw, f"{name}_branch.1.1", channels, channels)
        conv_norm(draw, f"{name}_branch.2", channels, channels, 1)
    os_block(draw, "batch_drop_block.drop_batch_bottleneck", channels, channels)
    draw.conv("shared.0", 512, channels // 2, 1)
    draw.bn("shared.1", 512)
    for name in ("0", "1", "2", "3", "4", "ch_0", "ch_1"):
        if len(name) == 1:
            draw.conv(f"reduction_{name}.reduction", 512, channels, 1)
        draw.bn(f"reduction_{name}.bn", 512)
        draw.weights[f"reduction_{name}.bn.bias"].zero_()  # untrained
        draw.normal(f"reduction_{name}.classifier.weight", num_ids, 512, std=0.1)
    return weights | draw.weights


def light_mbn(w, x):
    """The seven embeddings of ``LMBN_n`` in testing, behind the BN: global, dropped, part, stripes, channels."""
    stem = {key.replace("backone.0", "conv1").replace("backone.2", "conv2"): value for key, value in w.items()}
    x = conv_norm_relu(stem, "conv1", x, stride=2, padding=3)
    x = F.max_pool2d(x, 3, 2, padding=1)
    x = block(stem, "conv2.1", block(stem, "conv2.0", x))
    x = F.avg_pool2d(conv_norm_relu(stem, "conv2.2.0", x), 2)
    x = block(stem, "backone.3", x)
    maps = [branch_map(w, x, [f"{name}_branch.{i}" for i in range(3)]) for name in ("global", "partial", "channel")]
    whole, part, channel = block(w, "batch_drop_block.drop_batch_bottleneck", maps[0]), maps[1], maps[2].mean((2, 3))
    middle = part.shape[2] // 2
    pooled = {
        "0": whole.mean((2, 3)),
        "4": whole.amax((2, 3)),
        "1": part.amax((2, 3)),
        "2": part[:, :, :middle].mean((2, 3)),
        "3": part[:, :, middle:].mean((2, 3)),
    }
    feats = {key: feat @ w[f"reduction_{key}.reduction.weight"].flatten(1).t() for key, feat in pooled.items()}
    for i, half in enumerate(channel.chunk(2, dim=1)):
        feats[f"ch_{i}"] = norm(w, "shared.1", half @ w["shared.0.weight"].flatten(1).t()).relu()
    return torch.stack([norm(w, f"reduction_{key}.bn", feat) for key, feat in feats.items()], dim=1)
