"""Published checkpoints as teachers: names and networks written from the projects' definitions, tensors drawn."""

import argparse
import importlib
import shlex
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import DictAction
from mmengine.registry import init_default_scope
from torch import nn

from mmpersonsearch.models.reid import ReIDTeacher
from mmpersonsearch.utils.checkpoint import load_checkpoint_file
from mmpersonsearch.utils.run_config import read_config

ROOT = Path(__file__).resolve().parents[2]
BOT_R18 = str(ROOT / "configs/reid/bot_r18ibn_synth.py")
BOT_R50 = str(ROOT / "configs/reid/bot_r50ibn_prw.py")
AGW_R18 = str(ROOT / "configs/reid/agw_r18ibn_synth.py")
MGN_R18 = str(ROOT / "configs/reid/mgn_r18ibn_synth.py")
# Two of the four stages, where the size of the network does not matter.
CUT = (1, 2)
NUM_IDS = 7
BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


@pytest.fixture(autouse=True)
def _modules(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools/model_converters"))
    yield
    for name in ("convert_reid_checkpoint", "reid_key_names"):
        sys.modules.pop(name, None)


@pytest.fixture
def tool():
    return importlib.import_module("convert_reid_checkpoint")


@pytest.fixture
def convert(tool, tmp_path):
    """Writes a source file, converts it as the command line does, returns the teacher's path."""

    def run(source, project, config=BOT_R18, options=None):
        torch.save(source, tmp_path / "source.pth")
        out = tmp_path / "out" / "teacher.pth"
        options = cut(config) if options is None else options
        options = [f"{key}={value}".replace(" ", "") for key, value in options.items()]
        args = [str(tmp_path / "source.pth"), "--from", project, "--config", config, "--out", str(out)]
        tool.main([*args, *(["--cfg-options", *options] if options else [])])
        return out

    return run


def cut(config):
    """Config options for a teacher of the stages ``CUT``."""
    channels = 512 if config == BOT_R50 else 128
    return {"model.backbone.stages": CUT, "model.head.in_channels": channels}


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


def printed_options(line):
    """What a tool of this package makes of a printed ``--cfg-options ...``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    return parser.parse_args(shlex.split(line)).cfg_options


@pytest.fixture
def load_teacher(capsys):
    """As FrozenTeacherHook does it in a student with the options that the tool printed."""

    def load(path, config=BOT_R18):
        (line,) = (line for line in capsys.readouterr().out.splitlines() if "--cfg-options" in line)
        line = line.replace("model.roi_head.reid_head.teacher.", "model.")
        init_default_scope("mmpersonsearch")
        teacher = ReIDTeacher(read_config(config, printed_options(line)).model)
        teacher.load(str(path))
        return teacher

    return load


@pytest.fixture
def crops():
    return torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(5))


def same(actual, expected):
    torch.testing.assert_close(actual, F.normalize(expected), rtol=1e-4, atol=1e-5)


# ---- tests ----


def test_strong_baseline_embeds_the_same(convert, load_teacher, crops):
    source = strong_baseline(stages=(1, 2, 3, 4))
    teacher = load_teacher(convert(source, "reid-strong-baseline", options={}))
    same(teacher(crops), embed(source, crops))
    (feats,) = teacher.model.backbone(crops)
    torch.testing.assert_close(feats, resnet(source, "base.", crops), rtol=1e-4, atol=1e-4)


def test_bottleneck_blocks_embed_the_same(convert, load_teacher, crops):
    source = strong_baseline(depth=50)
    teacher = load_teacher(convert(source, "reid-strong-baseline", BOT_R50), BOT_R50)
    same(teacher(crops), embed(source, crops, depth=50))


def test_plain_resnet_embeds_the_same(convert, load_teacher, crops):
    source = strong_baseline(ibn=False)
    teacher = load_teacher(convert(source, "reid-strong-baseline"))
    same(teacher(crops), embed(source, crops))


def test_agw_embeds_the_same(convert, load_teacher, crops):
    source = reid_survey()
    teacher = load_teacher(convert(source, "agw", AGW_R18), AGW_R18)
    same(teacher(crops), embed(source, crops, p=2.5))


def test_fast_reids_agw_embeds_the_same(convert, load_teacher, crops):
    source = fast_reid_agw()
    teacher = load_teacher(convert(source, "fast-reid", AGW_R18), AGW_R18)
    same(teacher(crops), embed(source["model"], crops, "backbone.", "heads.bottleneck.0", p=3.5))


def test_fast_reids_agw_with_an_untrained_gem(convert, load_teacher, crops):
    source = fast_reid_agw()
    del source["model"]["heads.pool_layer.p"]
    out = convert(source, "fast-reid", AGW_R18)
    assert load_checkpoint_file(out)["meta"]["filled_in"] == {"neck.p": 3.0}
    same(load_teacher(out, AGW_R18)(crops), embed(source["model"], crops, "backbone.", "heads.bottleneck.0", p=3))


def test_agw_is_no_bot(convert):
    with pytest.raises(ValueError, match=r"source\.pth does not fit.*non_local2\.0\.g\.conv\.weight is unexpected"):
        convert(fast_reid_agw(), "fast-reid", BOT_R18)
    with pytest.raises(ValueError, match=r"non_local2\.0\.g\.conv\.weight is missing"):
        convert(fast_reid(), "fast-reid", AGW_R18)


def test_fast_reids_mgn_is_refused(convert):
    source = {"backbone.0.weight": torch.ones(64, 3, 7, 7), "b1.0.0.conv1.weight": torch.ones(256, 1024, 1, 1)}
    with pytest.raises(ValueError, match=r"source\.pth: fast-reid's MGN pools by.*would make another network"):
        convert(dict(model=source), "fast-reid", MGN_R18, {})


def test_each_tensor_is_taken_over_unchanged(convert):
    source = strong_baseline()
    state = load_checkpoint_file(convert(source, "reid-strong-baseline"))["state_dict"]
    assert len(state) == len(source) - 2
    for key, theirs in (
        ("backbone.layer2.1.bn1.IN.weight", "base.layer2.1.bn1.IN.weight"),
        ("backbone.layer2.0.downsample.1.running_var", "base.layer2.0.downsample.1.running_var"),
        ("head.bn.running_mean", "bottleneck.running_mean"),
        ("head.bn.num_batches_tracked", "bottleneck.num_batches_tracked"),
        ("head.classifier.weight", "classifier.weight"),
    ):
        assert torch.equal(state[key], source[theirs])


@pytest.mark.parametrize("neck", ["heads.bottleneck.0", "heads.bnneck"])
@pytest.mark.parametrize("classifier", ["heads.weight", "heads.classifier.weight"])
def test_fast_reids_names_of_all_versions(convert, load_teacher, crops, neck, classifier):
    source = fast_reid(neck, classifier)
    teacher = load_teacher(convert(source, "fast-reid"))
    same(teacher(crops), embed(source["model"], crops, "backbone.", neck))
    assert torch.equal(teacher.model.head.classifier.weight, source["model"][classifier])


def test_fast_reids_published_files_mix_two_names_of_the_bnneck(convert, load_teacher):
    source = fast_reid()
    weights = source["model"]
    weights["heads.bnneck.num_batches_tracked"] = weights.pop("heads.bottleneck.0.num_batches_tracked")
    load_teacher(convert(source, "fast-reid"))
    weights["heads.bnneck.weight"] = torch.ones(128)
    with pytest.raises(
        ValueError, match=r"heads\.bottleneck\.0\.weight and heads\.bnneck\.weight are both.*bn\.weight"
    ):
        convert(source, "fast-reid")


@pytest.mark.parametrize("wrap", [lambda w: w, lambda w: dict(model=w), lambda w: dict(state_dict=w, epoch=3)])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_places_of_the_weights_in_a_file(convert, wrap, prefix):
    source = strong_baseline()
    out = convert(wrap({prefix + key: value for key, value in source.items()}), "reid-strong-baseline")
    state = load_checkpoint_file(out)["state_dict"]
    assert torch.equal(state["backbone.conv1.weight"], source["base.conv1.weight"])


def test_summary_tells_what_was_taken_left_and_set(convert, capsys):
    source = {k: v for k, v in strong_baseline().items() if not k.endswith("num_batches_tracked")}
    out = convert(source, "reid-strong-baseline")
    printed = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines() if "│" in line]
    number = sum(key.startswith("base.") for key in source) - 2
    assert ["base.*", "backbone.*", str(number)] in rows and ["bottleneck.*", "head.*", "4"] in rows
    assert all(
        any(row[0] == key and row[1].startswith("left: ImageNet") for row in rows) for key in source if ".fc." in key
    )
    # Batch norms: stem, BNNeck, two in each of four blocks, one shortcut.
    assert ["", "*.num_batches_tracked, set to 0", str(1 + 1 + 8 + 1)] in rows
    assert load_checkpoint_file(out)["state_dict"]["head.bn.num_batches_tracked"] == 0


def test_student_takes_the_options_of_the_source(convert, capsys):
    out = convert(strong_baseline(num_ids=751, ibn=False), "reid-strong-baseline")
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "--cfg-options" in line)
    student = read_config(str(ROOT / "configs/tdn/tdn_r18ibn_synth.py"), printed_options(line))
    teacher = student.model.roi_head.reid_head.teacher
    assert (teacher.head.num_ids, teacher.backbone.ibn_stages, teacher.backbone.stem_relu) == (751, (), False)
    init_default_scope("mmpersonsearch")
    ReIDTeacher(teacher).load(str(out))
    teacher.head.num_ids = 150
    with pytest.raises(ValueError, match=r"head\.classifier\.weight has shape \(751, 128\)"):
        ReIDTeacher(teacher).load(str(out))


def test_partial_source_is_refused(convert, tmp_path):
    source = strong_baseline()
    del source["base.layer2.0.conv1.weight"], source["bottleneck.running_var"]
    with pytest.raises(ValueError, match=r"source\.pth.*layer2\.0\.conv1\.weight is missing; head\.bn\.running_var is"):
        convert(source, "reid-strong-baseline")
    assert not (tmp_path / "out").exists()
    del source["classifier.weight"]
    with pytest.raises(ValueError, match=r"head\.classifier\.weight is missing"):
        convert(source, "reid-strong-baseline")


def test_other_shape_is_refused(convert):
    source = strong_baseline()
    source["base.layer1.0.conv1.weight"] = torch.zeros(64, 64, 1, 1)
    with pytest.raises(
        ValueError, match=r"layer1\.0\.conv1\.weight has shape \(64, 64, 1, 1\), expected \(64, 64, 3, 3\)"
    ):
        convert(source, "reid-strong-baseline")


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("base.layer1.0.se.fc1.weight", r"backbone\.layer1\.0\.se\.fc1\.weight is unexpected"),
        ("gate.weight", r"gate\.weight have no place"),
    ],
)
def test_weights_without_a_place_are_refused(convert, key, named):
    source = strong_baseline()
    source[key] = torch.ones(3)
    with pytest.raises(ValueError, match=named):
        convert(source, "reid-strong-baseline")


@pytest.mark.parametrize(("key", "name"), [("pixel_mean", "mean"), ("pixel_std", "std")])
def test_other_normalisation_is_refused(convert, key, name):
    source = fast_reid()
    source["model"][key] = torch.full((1, 3, 1, 1), 127.5)
    with pytest.raises(ValueError, match=rf"{key} is \[127\.5.*data_preprocessor\.{name} of the config"):
        convert(source, "fast-reid")


def test_whole_model_is_refused_with_the_way_out(convert):
    with pytest.raises(ValueError, match=r"source\.pth is not loaded.*reid-strong-baseline: python -c.*state_dict\(\)"):
        convert(nn.Linear(2, 2), "reid-strong-baseline")


def test_other_content_is_refused(convert):
    with pytest.raises(ValueError, match=r"source\.pth: epoch is a int, expected weights"):
        convert(dict(epoch=3), "fast-reid")


def test_unknown_project_is_refused(convert, capsys):
    with pytest.raises(SystemExit):
        convert({}, "torchreid")
    assert "invalid choice: 'torchreid'" in capsys.readouterr().err


def test_missing_source_is_named(tool, tmp_path):
    args = ["--from", "fast-reid", "--config", BOT_R18, "--out", str(tmp_path / "teacher.pth")]
    with pytest.raises(FileNotFoundError, match=r"nothing\.pth"):
        tool.main([str(tmp_path / "nothing.pth"), *args])
