"""Export of streams, and pictures of attention."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.structures import ReIDDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

from mmpersonsearch.engine.num_ids import set_num_ids
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.checkpoint import load_checkpoint_file, load_strictly

PROJECT = Path(__file__).resolve().parents[3] / "projects/deskpro"
sys.path.insert(0, str(PROJECT / "tools"))

import export_model  # noqa: E402
import plot_attention  # noqa: E402

DESKPRO = PROJECT / "configs/deskpro_osnet-x025_clothes-synth.py"


def build(name, seed, **changes):
    init_default_scope("mmpersonsearch")
    torch.manual_seed(seed)
    cfg = Config.fromfile(DESKPRO.with_name(f"{name}.py"))
    set_num_ids(cfg.model, 5)
    cfg.model.update(changes)
    return MODELS.build(cfg.model)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Checkpoints of DeSKPro and of the teacher, with what training writes beside the weights."""
    folder = tmp_path_factory.mktemp("trained")
    for i, name in enumerate((DESKPRO.stem, f"{DESKPRO.stem}_face-teacher")):
        content = dict(state_dict=build(name, i).state_dict(), optimizer=dict(state={}), meta=dict(iter=1000))
        torch.save(content, folder / f"{i}.pth")
    return str(folder / "0.pth"), str(folder / "1.pth")


def test_streams_are_exported_without_what_only_training_needs(trained, tmp_path, capsys):
    deskpro, teacher = trained
    out = tmp_path / "deskpro_star.pth"
    export_model.main(["--body", deskpro, "--face", teacher, "--out", str(out)])
    exported = load_checkpoint_file(out)
    assert set(exported) == {"meta", "state_dict"}
    assert {key.split(".")[0] for key in exported["state_dict"]} == {"body", "face"}
    model = build(f"{DESKPRO.stem}_restored-face", 5)
    load_strictly(model, exported, str(out))
    for path, key in ((deskpro, "body.head.reductions.0.weight"), (teacher, "face.head.reductions.0.weight")):
        assert torch.equal(model.state_dict()[key], load_checkpoint_file(path)["state_dict"][key])
    assert "body and face" in capsys.readouterr().out


def test_a_stream_alone_is_a_model_of_its_own(trained, tmp_path):
    out = tmp_path / "body.pth"
    export_model.main(["--body", trained[0], "--alone", "--out", str(out)])
    cfg = Config.fromfile(DESKPRO).body_stream
    set_num_ids(cfg, 5)
    model = MODELS.build(dict(cfg, data_preprocessor=dict(type="mmdet.ReIDDataPreprocessor")))
    load_strictly(model, load_checkpoint_file(out), str(out))
    weights = load_checkpoint_file(trained[0])["state_dict"]
    assert all(torch.equal(value, weights[f"body.{key}"]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "expected at least one of --body and --face"),
        (["--body", "{0}", "--face", "{1}", "--alone"], "expected one of --body and --face"),
        (["--body", "{1}"], r"--body .*1\.pth: no weights of a body stream"),
        (["--body", "gone.pth"], r"gone\.pth does not exist"),
    ],
)
def test_streams_that_are_not_there_are_named(trained, tmp_path, args, message):
    args = [arg.format(*trained) for arg in args]
    with pytest.raises(SystemExit, match=message):
        export_model.main([*args, "--out", str(tmp_path / "out.pth")])


@pytest.fixture
def test_set(tmp_path, monkeypatch):
    for folder in ("query", "bounding_box_test"):
        for i in range(2):
            path = tmp_path / f"set/imgs/{folder}/{i}_c1_{folder}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.random.default_rng(i).integers(0, 256, (64, 32, 3)).astype(np.uint8)).save(path)
    monkeypatch.setenv("CLOTHES_SYNTH_ROOT", str(tmp_path / "set"))


def test_attention_is_plotted_for_each_checkpoint(trained, test_set, tmp_path):
    csa = tmp_path / "csa/iter_1000.pth"
    export_model.main(["--body", trained[0], "--out", str(csa)])
    out = tmp_path / "figures/attention"
    args = [str(DESKPRO), trained[0], str(csa), "--number", "3", "--out", str(out), "--device", "cpu"]
    plot_attention.main(args)
    assert out.with_suffix(".png").stat().st_size > 0 and out.with_suffix(".svg").is_file()
    numbers = json.loads(out.with_suffix(".json").read_text())
    assert len(numbers["images"]) == 3
    first, second = numbers["mean_attention"].values()
    assert first == second
    assert all(0 < mean < 1 for mean in first)


def test_maps_are_those_of_the_stream():
    body = build(f"{DESKPRO.stem}_body", 3).eval()
    images = [torch.randint(256, (3, 64, 32), dtype=torch.uint8) for _ in range(2)]
    batch = dict(inputs=dict(body=images), data_samples=[ReIDDataSample(), ReIDDataSample()])
    attention, lengths = plot_attention.map_attention(body, batch)
    assert attention.shape == lengths.shape == (2, 64, 32)
    refined, expected = body.body.backbone.attend(body.data_preprocessor(batch)["inputs"]["body"])
    assert attention[0, 0, 0].item() == pytest.approx(expected[0, 0, 0, 0].item(), abs=1e-5)
    norms = refined.square().sum(1).sqrt()
    assert lengths[1, 63, 31].item() == pytest.approx((norms[1, 7, 3] / norms[1].max()).item(), abs=1e-5)


def test_a_stream_without_attention_is_refused(trained, test_set, tmp_path):
    config = str(DESKPRO.with_name("light-mbn_osnet-x025_clothes-synth.py"))
    plain = tmp_path / "plain.pth"
    torch.save(build("light-mbn_osnet-x025_clothes-synth", 0).state_dict(), plain)
    with pytest.raises(SystemExit, match="body stream has no CSA"):
        plot_attention.main([config, str(plain), "--out", str(tmp_path / "out"), "--device", "cpu"])
