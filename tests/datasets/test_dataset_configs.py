"""The data sets' configs: they can be joined with others, and what they describe can be built and read."""

from pathlib import Path

import numpy as np
import pytest
import torch
from dataset_writers import CUHK_QUERIES, write_cuhk, write_image, write_prw
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

ROOT = Path(__file__).resolve().parents[2]
BATCHES = {"prw": 64, "cuhk_sysu": 64, "synth": 48}
SCENES = {"prw": (483, 500), "cuhk_sysu": (5532, 5000), "synth": (150, 500)}
ROOTS = {"prw": "PRW_ROOT", "cuhk_sysu": "CUHK_ROOT", "synth": "SYNTH_ROOT"}
KEYS = {
    *("data_root", "num_ids", "train_pipeline", "test_pipeline", "train_dataloader"),
    *("val_dataloader", "test_dataloader", "val_evaluator", "test_evaluator"),
}


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope("mmpersonsearch"):
        yield


def load(name):
    folder = "projects/synthetic_benchmark/configs" if name.startswith("synth") else "configs"
    return Config.fromfile(ROOT / folder / f"_base_/datasets/{name}.py")


def loader(config, **changes):
    config = config.copy()
    config.update(num_workers=0, persistent_workers=False, **changes)
    return Runner.build_dataloader(config, seed=0)


@pytest.mark.parametrize("name", SCENES)
def test_scene_configs_define_what_the_leaves_expect(name):
    config = load(name)
    assert set(config.keys()) == KEYS | {"queue_size"}
    assert (config.num_ids, config.queue_size) == SCENES[name]


@pytest.mark.parametrize("name", SCENES)
def test_crop_configs_define_what_the_leaves_expect(name):
    config = load(f"{name}_reid")
    assert set(config.keys()) == KEYS
    assert config.num_ids == SCENES[name][0]
    sampler = config.train_dataloader.sampler
    assert config.train_dataloader.batch_size == sampler.num_ids * sampler.num_instances == BATCHES[name]


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("name", SCENES)
def test_scene_configs_read(name, slash, tmp_path, monkeypatch):
    if name == "cuhk_sysu":
        write_cuhk(tmp_path, galleries={100: CUHK_QUERIES})
    else:
        write_prw(tmp_path)
    monkeypatch.setenv(ROOTS[name], f"{tmp_path}{slash}")
    config = load(name)
    (width, height) = (336, 192) if name == "synth" else (960, 640)

    train = loader(config.train_dataloader, batch_size=4)
    batch = next(iter(train))
    for image, sample in zip(batch["inputs"], batch["data_samples"], strict=True):
        assert image.shape[1] <= height and image.shape[2] <= width
        assert image.shape[1] == height or image.shape[2] == width
        ids, boxes = sample.gt_instances.person_ids, sample.gt_instances.bboxes.tensor
        assert len(ids) == len(boxes) == len(sample.gt_instances.labels)
        assert ids.dtype == torch.int64
        assert all(-1 <= person_id < train.dataset.metainfo["num_ids"] for person_id in ids.tolist())

    test = loader(config.test_dataloader)
    assert isinstance(test.sampler, DefaultSampler) and not test.sampler.shuffle
    samples = [batch["data_samples"][0] for batch in test]
    protocol = test.dataset.metainfo["search_protocol"]
    assert [sample.img_id for sample in samples] == [image.img_id for image in protocol.images]
    for sample, image in zip(samples, protocol.images):
        np.testing.assert_array_equal(sample.gt_instances.bboxes.tensor.numpy(), image.bboxes)
        assert sample.gt_instances.person_ids.tolist() == image.person_ids.tolist()
    queries = {int(i): box for s in samples for i, box in zip(s.query_instances.query_ids, s.query_instances.bboxes)}
    assert [queries[i].tolist() for i in range(len(queries))] == [q.bbox.tolist() for q in protocol.queries]


@pytest.mark.parametrize(("name", "size"), [("prw", (256, 128)), ("cuhk_sysu", (256, 128)), ("synth", (128, 64))])
def test_crop_configs_read(name, size, tmp_path, monkeypatch):
    for split in ("train", "test"):
        lines = []
        for label in range(16):
            for i in range(4):
                write_image(tmp_path / split / f"{label}_{i}.jpg", [(label, 0, 0, 40, 80)], (40, 80))
                lines.append(f"{label}_{i}.jpg {label}")
        (tmp_path / f"{split}.txt").write_text("\n".join(lines))
    monkeypatch.setenv(ROOTS[name].replace("_ROOT", "_REID_ROOT"), str(tmp_path))
    config = load(f"{name}_reid")
    (batch,) = list(loader(config.train_dataloader))
    assert {tuple(image.shape) for image in batch["inputs"]} == {(3, *size)}
    labels = torch.cat([sample.gt_label.label for sample in batch["data_samples"]])
    assert labels.unique(return_counts=True)[1].tolist() == [4] * (BATCHES[name] // 4)
    assert len(loader(config.val_dataloader).dataset) == 64
