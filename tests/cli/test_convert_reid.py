"""Published checkpoints as teachers: sources and networks of published_reid.py."""

import argparse
import shlex
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import DictAction
from mmengine.registry import init_default_scope
from published_light_mbn import draw_light_mbn, light_mbn
from published_reid import CUT, embed, fast_reid, fast_reid_agw, reid_survey, resnet, strong_baseline
from torch import nn

from mmpersonsearch.cli import convert_reid as tool
from mmpersonsearch.cli.run_config import read_config
from mmpersonsearch.models.teachers import ReIDTeacher
from mmpersonsearch.utils.checkpoint import load_checkpoint_file

ROOT = Path(__file__).resolve().parents[2]
BOT_R18 = str(ROOT / "projects/synthetic_benchmark/configs/reid/bot_r18ibn_synth.py")
BOT_R50 = str(ROOT / "configs/reid/bot_r50ibn_prw.py")
AGW_R18 = str(ROOT / "projects/synthetic_benchmark/configs/reid/agw_r18ibn_synth.py")
MGN_R18 = str(ROOT / "projects/synthetic_benchmark/configs/reid/mgn_r18ibn_synth.py")
LIGHT_MBN = str(ROOT / "configs/reid/light-mbn_osnet_prw.py")


@pytest.fixture
def convert(tmp_path):
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


def printed_options(line):
    """What a tool of this package makes of a printed ``--cfg-options ...``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    return parser.parse_args(shlex.split(line)).cfg_options


@pytest.fixture
def load_teacher(capsys):
    """As a student does it with the options that the tool printed."""

    def load(path, config=BOT_R18):
        (line,) = (line for line in capsys.readouterr().out.splitlines() if "--cfg-options" in line)
        line = line.replace("model.roi_head.reid_head.teacher.model.", "model.")
        init_default_scope("mmpersonsearch")
        teacher = ReIDTeacher(read_config(config, printed_options(line)).model, str(path))
        teacher.load()
        return teacher

    return load


@pytest.fixture
def crops():
    return torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(5))


def refused(message):
    """The tool ends with this message and no traceback."""
    return pytest.raises(SystemExit, match=rf"(?s)^mmpersonsearch convert reid: .*{message}")


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
    with refused(r"source\.pth does not fit.*non_local2\.0\.g\.conv\.weight is unexpected"):
        convert(fast_reid_agw(), "fast-reid", BOT_R18)
    with refused(r"non_local2\.0\.g\.conv\.weight is missing"):
        convert(fast_reid(), "fast-reid", AGW_R18)


def test_fast_reids_mgn_is_refused(convert):
    source = {"backbone.0.weight": torch.ones(64, 3, 7, 7), "b1.0.0.conv1.weight": torch.ones(256, 1024, 1, 1)}
    with refused(r"source\.pth: fast-reid's MGN pools by.*would make another network"):
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
    with refused(r"heads\.bottleneck\.0\.weight and heads\.bnneck\.weight are both.*bn\.weight"):
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
        any(row[0] == key and row[1].startswith("skipped: ImageNet") for row in rows) for key in source if ".fc." in key
    )
    # Batch norms: stem, BNNeck, two in each of four blocks, one shortcut.
    assert ["", "*.num_batches_tracked, set to 0", str(1 + 1 + 8 + 1)] in rows
    assert load_checkpoint_file(out)["state_dict"]["head.bn.num_batches_tracked"] == 0


def test_student_takes_the_options_of_the_source(convert, capsys):
    out = convert(strong_baseline(num_ids=751, ibn=False), "reid-strong-baseline")
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "--cfg-options" in line)
    student = read_config("tdn_r18ibn_synth", printed_options(line))
    teacher = student.model.roi_head.reid_head.teacher.model
    assert (teacher.head.num_ids, teacher.backbone.ibn_stages, teacher.backbone.stem_relu) == (751, (), False)
    init_default_scope("mmpersonsearch")
    ReIDTeacher(teacher, str(out)).load()
    teacher.head.num_ids = 150
    with pytest.raises(ValueError, match=r"head\.classifier\.weight has shape \(751, 128\)"):
        ReIDTeacher(teacher, str(out)).load()


def test_partial_source_is_refused(convert, tmp_path):
    source = strong_baseline()
    del source["base.layer2.0.conv1.weight"], source["bottleneck.running_var"]
    with refused(r"source\.pth.*layer2\.0\.conv1\.weight is missing; head\.bn\.running_var is"):
        convert(source, "reid-strong-baseline")
    assert not (tmp_path / "out").exists()
    del source["classifier.weight"]
    with refused(r"head\.classifier\.weight is missing"):
        convert(source, "reid-strong-baseline")


def test_other_shape_is_refused(convert):
    source = strong_baseline()
    source["base.layer1.0.conv1.weight"] = torch.zeros(64, 64, 1, 1)
    with refused(r"layer1\.0\.conv1\.weight has shape \(64, 64, 1, 1\), expected \(64, 64, 3, 3\)"):
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
    with refused(named):
        convert(source, "reid-strong-baseline")


@pytest.mark.parametrize(("key", "name"), [("pixel_mean", "mean"), ("pixel_std", "std")])
def test_other_normalization_is_refused(convert, key, name):
    source = fast_reid()
    source["model"][key] = torch.full((1, 3, 1, 1), 127.5)
    with refused(rf"{key} is \[127\.5.*data_preprocessor\.{name} of the config"):
        convert(source, "fast-reid")


def test_whole_model_is_refused_with_the_way_out(convert):
    with refused(r"source\.pth is not loaded.*reid-strong-baseline: python -c.*state_dict\(\)"):
        convert(nn.Linear(2, 2), "reid-strong-baseline")


def test_other_content_is_refused(convert):
    with refused(r"source\.pth: epoch is a int, expected weights"):
        convert(dict(epoch=3), "fast-reid")


def test_unknown_project_is_refused(convert, capsys):
    with pytest.raises(SystemExit):
        convert({}, "torchreid")
    assert "invalid choice: 'torchreid'" in capsys.readouterr().err


def test_missing_source_is_named(tmp_path):
    args = ["--from", "fast-reid", "--config", BOT_R18, "--out", str(tmp_path / "teacher.pth")]
    with refused(r"nothing\.pth does not exist"):
        tool.main([str(tmp_path / "nothing.pth"), *args])


def test_missing_config_is_named(convert):
    with refused(r"config file nothing\.py does not exist"):
        convert(strong_baseline(), "reid-strong-baseline", "nothing.py", {})


def test_light_mbn_embeds_the_same(convert, load_teacher, crops):
    source = draw_light_mbn()
    teacher = load_teacher(convert(dict(state_dict=source, epoch=3), "light-mbn", LIGHT_MBN, {}), LIGHT_MBN)
    parts = light_mbn(source, crops) + light_mbn(source, crops.flip(3))
    same(teacher(crops), F.normalize(parts, dim=2).flatten(1))
    assert teacher.model.head.num_ids == len(source["reduction_0.classifier.weight"])
    for i, name in enumerate(("0", "4", "1", "2", "3", "ch_0", "ch_1")):
        weight = teacher.model.head.classifiers[i].weight
        assert torch.equal(weight, source[f"reduction_{name}.classifier.weight"])
