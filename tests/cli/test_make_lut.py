"""A LUT against loops over images and boxes; its projection; a student that reads it."""

import cv2
import pytest
import torch
import torch.nn.functional as F
from dataset_writers import PRW_TRAIN
from mmdet.structures import DetDataSample
from mmengine.registry import init_default_scope
from PIL import Image
from tiny_models import SYNTH
from torchvision.transforms.functional import pil_to_tensor

from mmpersonsearch.apis import build_model
from mmpersonsearch.cli import make_lut as tool
from mmpersonsearch.models.losses import OIMLoss

IDENTITIES = [3, 7, 932]


@pytest.fixture
def configs(prw_root, tmp_path, monkeypatch):
    """Names of configs on the small set, with few workers."""
    for name, value in (("SYNTH_WEIGHTS", "none"), ("SYNTH_ROOT", f"{prw_root}/"), ("TEACHER_CHECKPOINT", "none")):
        monkeypatch.setenv(name, value)
    paths = {}
    for name in ("oim/oim_r18_synth", "tdn/tdn_r18ibn_synth", "reid/bot_r18ibn_synth", "oim/faster-rcnn_r18-c4_synth"):
        path = tmp_path / f"{name.split('/')[1]}.py"
        loader = "train_dataloader = dict(num_workers=0, persistent_workers=False)"
        path.write_text(f'_base_ = "{SYNTH}/{name}.py"\n{loader}\n')
        paths[path.stem.split("_")[0]] = str(path)
    return paths


def save(path, out):
    """A model as if trained, and its checkpoint."""
    torch.manual_seed(0)
    model = build_model(path)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    torch.save(dict(state_dict=model.state_dict()), out)
    return model


def run(tmp_path, *args):
    tool.main([*map(str, args), "--device", "cpu", "--out", str(tmp_path / "lut.pth")])
    checkpoint = torch.load(tmp_path / "lut.pth")
    assert checkpoint["meta"]["dataset_meta"]["identities"] == IDENTITIES
    return checkpoint["state_dict"]["lut.features"], checkpoint["meta"]["lut"]


def averages(embed, prw_root):
    """Means of unit embeddings, one box after the other; ``embed`` gets a file and a box."""
    feats = {identity: [] for identity in IDENTITIES}
    for frame, persons in PRW_TRAIN.items():
        path = prw_root / f"frames/{frame}.jpg"
        for identity, x, y, w, h in persons:
            if identity >= 0:
                feats[identity].append(embed(path, (x, y, x + w, y + h)))
    means = torch.stack([sum(feat / feat.norm() for feat in of_one) / len(of_one) for of_one in feats.values()])
    return means / means.norm(dim=1, keepdim=True)


@torch.no_grad()
@pytest.mark.parametrize("name", ["oim", "tdn"])
def test_means_of_a_search_model(configs, prw_root, tmp_path, name):
    model = save(configs[name], tmp_path / "model.pth")
    width = 256 if name == "oim" else 512

    def embed(path, box):
        image = cv2.imread(str(path))
        scale = min(336 / image.shape[1], 192 / image.shape[0])
        size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
        pixels = torch.from_numpy(cv2.resize(image, size)).permute(2, 0, 1)
        inputs = model.data_preprocessor(dict(inputs=[pixels], data_samples=[DetDataSample()]))["inputs"]
        return model.embed(inputs, [torch.tensor([box]) * scale])[0][0]

    expected = averages(embed, prw_root)
    table, meta = run(tmp_path, configs[name], tmp_path / "model.pth", "--channels", width)
    assert table.shape == (3, width) and meta == dict(width=width, kept=1.0, data=configs[name])
    torch.testing.assert_close(table, expected, atol=1e-4, rtol=0)


@torch.no_grad()
def test_means_of_a_reid_model_by_crops(configs, prw_root, tmp_path):
    model = save(configs["bot"], tmp_path / "model.pth")

    def embed(path, box):
        crop = Image.open(path).convert("RGB").resize((64, 128), Image.Resampling.BILINEAR, box=box)
        pixels = (pil_to_tensor(crop).float() - model_mean[:, None, None]) / model_std[:, None, None]
        return model(pixels[None], mode="tensor")[0]

    model_mean, model_std = (torch.tensor(one) for one in ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]))
    means = averages(embed, prw_root)
    table, meta = run(tmp_path, configs["bot"], tmp_path / "model.pth", "--data", configs["oim"])
    assert table.shape == (3, 256) and meta["width"] == 512 and meta["kept"] == pytest.approx(1)
    # Three identities need three dimensions: all similarities are kept.
    torch.testing.assert_close(table @ table.T, means @ means.T, atol=1e-5, rtol=0)
    assert (table[:, 3:] == 0).all()


def test_a_student_reads_it(configs, tmp_path):
    save(configs["oim"], tmp_path / "model.pth")
    table, _ = run(tmp_path, configs["oim"], tmp_path / "model.pth")
    loss = OIMLoss(3, feat_channels=256, queue_size=4, lut_checkpoint=str(tmp_path / "lut.pth"), freeze_lut=True)
    loss.load_frozen(torch.nn.Identity(), dict(identities=IDENTITIES), resumed=False)
    assert torch.equal(loss.lut.features, table)
    with pytest.raises(ValueError, match="is of other identities: row 0"):
        loss.load_frozen(torch.nn.Identity(), dict(identities=[1, 7, 932]), resumed=False)


@pytest.mark.parametrize(("rows", "width", "channels"), [(30, 20, 8), (5, 20, 8), (30, 6, 8), (30, 8, 8)])
def test_projection_keeps_the_similarities_as_well_as_it_can(rows, width, channels):
    table = F.normalize(torch.randn(rows, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    found, kept = tool.project(table, channels)
    # The reference: the best approximation of all similarities by a matrix of this rank (Eckart and Young).
    values, vectors = torch.linalg.eigh(table @ table.T)
    best = (vectors[:, -channels:] * values[-channels:].clamp_min(0)) @ vectors[:, -channels:].T
    norms = best.diagonal().sqrt()
    torch.testing.assert_close(found @ found.T, best / norms[:, None] / norms)
    assert found.shape == (rows, channels)
    assert kept == pytest.approx(float(values[-channels:].sum() / rows))
    assert (kept < 1) == (min(rows, width) > channels)


@pytest.mark.parametrize(
    ("model", "args", "message"),
    [
        ("bot", (), "train_dataloader.dataset is a mmdet.ReIDDataset, expected scenes with identities; --data"),
        ("faster-rcnn", (), "model.type PersonDetector embeds no persons"),
        ("oim", ("--data", "nowhere.py"), "nowhere.py does not exist"),
        ("oim", ("--channels", "0"), None),
    ],
)
def test_bad_input_is_named(configs, tmp_path, model, args, message):
    init_default_scope("mmpersonsearch")
    save(configs[model], tmp_path / "model.pth")
    with pytest.raises(SystemExit, match=message):
        tool.main([configs[model], str(tmp_path / "model.pth"), "--out", str(tmp_path / "lut.pth"), *args])
    assert not (tmp_path / "lut.pth").exists()
