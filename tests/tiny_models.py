"""Small person-search models and batches for tests."""

from pathlib import Path

import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from mmpersonsearch.registry import MODELS

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs"
SYNTH = ROOT / "projects/synthetic_benchmark/configs"
NUM_IDS = 12
VARIANTS = ["", "_wo-ktb", "_wo-teacher", "_baseline", "_oim-star", "_oim-star-teacher"]


def read_config(variant=""):
    """The synthetic set's config of a variant, with few identities."""
    cfg = Config.fromfile(SYNTH / f"tdn/tdn_r18ibn_synth{variant}.py")
    reid_head = cfg.model.roi_head.reid_head
    reid_head.num_ids = NUM_IDS
    if reid_head.get("teacher"):
        reid_head.teacher.model.head.num_ids = NUM_IDS
    return cfg


def build_model(variant="", **roi_head):
    """The untrained model of a variant; its teacher, if any, counts as loaded."""
    init_default_scope("mmpersonsearch")
    torch.manual_seed(0)
    cfg = read_config(variant).model
    cfg.roi_head.update(roi_head)
    model = MODELS.build(cfg)
    if model.roi_head.reid_head.with_teacher:
        model.roi_head.reid_head.teacher.loaded = True
    return model


def draw_batch(num_persons, num_queries=None, size=(96, 128), seed=0, scale=1.0):
    """Images and data samples; ``scale`` is the factor from the original image to the input."""
    g = torch.Generator().manual_seed(seed)
    height, width = size
    samples = []
    for i, n in enumerate(num_persons):
        xy = torch.rand(n, 2, generator=g) * torch.tensor([width - 40.0, height - 60.0])
        wh = torch.rand(n, 2, generator=g) * torch.tensor([15.0, 20.0]) + torch.tensor([20.0, 35.0])
        sample = DetDataSample(
            metainfo=dict(
                img_shape=size,
                pad_shape=size,
                batch_input_shape=size,
                ori_shape=(round(height / scale), round(width / scale)),
                scale_factor=(scale, scale),
            )
        )
        bboxes = torch.cat((xy, xy + wh), 1)
        person_ids = torch.randint(-1, NUM_IDS, (n,), generator=g)
        sample.gt_instances = InstanceData(bboxes=bboxes, labels=torch.zeros(n).long(), person_ids=person_ids)
        if num_queries is not None:
            k = num_queries[i]
            sample.query_instances = InstanceData(bboxes=bboxes[:k] / scale, query_ids=torch.arange(k))
        samples.append(sample)
    return torch.randn(len(num_persons), 3, *size, generator=g), samples
