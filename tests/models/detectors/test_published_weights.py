"""``two-step_coco_msmt17``: names and shapes of MMDetection's and fast-reid's published checkpoints fill its parts."""

import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.registry import init_default_scope
from published_reid import Draw
from tiny_models import CONFIGS

from mmpersonsearch.models.detectors import two_step_person_search
from mmpersonsearch.models.teachers import convert
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.errors import InputError

STAGES = {1: (3, 64, 256), 2: (4, 128, 512), 3: (6, 256, 1024), 4: (3, 512, 2048)}


def norm(key, channels):
    return {
        **{f"{key}.{name}": (channels,) for name in ("weight", "bias", "running_mean", "running_var")},
        f"{key}.num_batches_tracked": (),
    }


def linear(key, *shape):
    return {f"{key}.weight": shape, f"{key}.bias": shape[:1]}


def coco_faster_rcnn():
    """Names and shapes of faster_rcnn_r50_fpn_1x_coco_20200130-047c8118.pth."""
    shapes = {"backbone.conv1.weight": (64, 3, 7, 7), **norm("backbone.bn1", 64)}
    channels = 64
    for stage, (blocks, planes, out) in STAGES.items():
        for i in range(blocks):
            key = f"backbone.layer{stage}.{i}"
            sizes = [(planes, channels, 1, 1), (planes, planes, 3, 3), (out, planes, 1, 1)]
            for number, size in enumerate(sizes, start=1):
                shapes |= {f"{key}.conv{number}.weight": size, **norm(f"{key}.bn{number}", size[0])}
            if i == 0:
                shapes |= {f"{key}.downsample.0.weight": (out, channels, 1, 1), **norm(f"{key}.downsample.1", out)}
            channels = out
    for i, (_, _, out) in enumerate(STAGES.values()):
        shapes |= linear(f"neck.lateral_convs.{i}.conv", 256, out, 1, 1)
        shapes |= linear(f"neck.fpn_convs.{i}.conv", 256, 256, 3, 3)
    shapes |= linear("rpn_head.rpn_conv", 256, 256, 3, 3)
    shapes |= linear("rpn_head.rpn_cls", 3, 256, 1, 1) | linear("rpn_head.rpn_reg", 12, 256, 1, 1)
    shapes |= linear("roi_head.bbox_head.fc_cls", 81, 1024) | linear("roi_head.bbox_head.fc_reg", 320, 1024)
    shapes |= linear("roi_head.bbox_head.shared_fcs.0", 1024, 256 * 7 * 7)
    shapes |= linear("roi_head.bbox_head.shared_fcs.1", 1024, 1024)
    return {key: torch.zeros(()).expand(shape) for key, shape in shapes.items()}


def msmt17_bot(neck, classifier):
    """Names and shapes of fast-reid's msmt_bot_R50-ibn.pth: 1,041 identities."""
    draw = Draw()
    with torch.device("meta"):
        draw.g = None
        draw.resnet("backbone.", 50, stages=(1, 2, 3, 4))
        draw.bn(neck, 2048)
    draw.weights["pixel_mean"] = torch.tensor([123.675, 116.28, 103.53]).view(1, 3, 1, 1)
    draw.weights["pixel_std"] = torch.tensor([58.395, 57.12, 57.375]).view(1, 3, 1, 1)
    draw.weights[classifier] = torch.zeros(()).expand(1041, 2048)
    return dict(model=draw.weights, iteration=1)


def test_published_checkpoints_fill_both_parts(monkeypatch):
    """On the meta device: values are compared for smaller networks in tests/models/teachers."""
    detector, reid = yaml.safe_load((CONFIGS / "two_step/metafile.yml").read_text())["Models"][-2]["Weights"]
    files = {
        detector: dict(meta=dict(epoch=12), state_dict=coco_faster_rcnn()),
        reid: msmt17_bot("heads.bottleneck.0", "heads.weight"),
    }
    for module in (two_step_person_search, convert):
        monkeypatch.setattr(module, "load_checkpoint_file", files.__getitem__)
    init_default_scope("mmpersonsearch")
    config = Config.fromfile(CONFIGS / "two_step/two-step_coco_msmt17.py").model
    with torch.device("meta"):
        model = MODELS.build(config)
    model.reid.data_preprocessor = MODELS.build(config.reid.data_preprocessor)  # whose numbers are compared
    assert model.detector.state_dict().keys() == files[detector]["state_dict"].keys()
    model.load_parts(detector, reid)
    assert model.reid.backbone.maxpool.padding == 0  # of fast-reid's stem

    files[reid] = msmt17_bot("heads.bnneck", "heads.classifier.weight")  # as earlier releases name them
    model.load_parts(detector, reid)
    del files[reid]["model"]["backbone.layer4.2.conv3.weight"]
    with pytest.raises(InputError, match=r"msmt_bot_R50-ibn\.pth does not fit BaseReID: backbone\.layer4\.2\.conv3"):
        model.load_parts(detector, reid)
    del files[detector]["state_dict"]["rpn_head.rpn_cls.bias"]
    with pytest.raises(InputError, match=r"047c8118\.pth does not fit FasterRCNN: rpn_head\.rpn_cls\.bias is missing"):
        model.load_parts(detector, reid)
