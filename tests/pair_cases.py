"""Random results of search by pairs, and a small model that searches by pairs."""

import torch
from mmdet.structures.bbox import scale_boxes
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from torch.nn import functional as F

from mmpersonsearch.evaluation import QueryResults
from mmpersonsearch.registry import MODELS


def results_of(case, seed=None):
    """What a model would give that pairs all queries with all images and compares embeddings, in a random order."""
    protocol, detections, query_feats = case
    images = torch.arange(len(protocol.images))
    if seed is not None:
        images = images[torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))]
    counts = torch.tensor([len(one.scores) for one in detections])
    fields = {name: torch.cat([detections[i][name] for i in images]) for name in ("bboxes", "scores")}
    similarities = query_feats @ torch.cat([one.reid_feats for one in detections]).T
    results = []
    for row in similarities:
        parts = row.split(counts.tolist())
        results.append(
            QueryResults(images, counts[images], similarities=torch.cat([parts[i] for i in images]), **fields)
        )
    return results


@MODELS.register_module(force=True)
class ColorSearch(BaseModel):
    """Finds the annotated persons, and compares their mean colors with the query's; it counts what it computes."""

    def __init__(self, weight=1.0, data_preprocessor=None):
        super().__init__(data_preprocessor or dict(type="mmdet.DetDataPreprocessor", pad_size_divisor=1))
        self.weight = torch.nn.Parameter(torch.tensor([float(weight)]))
        self.num_shared, self.pairs, self.stop_after = 0, [], None

    def extract_shared(self, batch_inputs):
        self.num_shared += len(batch_inputs)
        return batch_inputs * self.weight

    def detect_pairs(self, queries, galleries):
        assert len(queries.maps) == len(queries.data_samples) and len(galleries.maps) == 1
        (sample,) = galleries.data_samples
        boxes = scale_boxes(sample.gt_instances.bboxes.float(), sample.scale_factor)
        results = []
        for one, own in zip(queries.maps, queries.data_samples):
            if self.stop_after == len(self.pairs):
                raise KeyboardInterrupt
            (box,) = scale_boxes(own.query_instances.bboxes, own.scale_factor)
            self.pairs.append((own.img_id, *own.query_instances.bboxes[0].tolist(), sample.img_id))
            colors = [mean_color(galleries.maps[0], b) for b in boxes]
            colors = torch.stack(colors) if colors else boxes.new_zeros(0, 3)
            similarities = F.cosine_similarity(colors, mean_color(one, box)[None])
            results.append(InstanceData(bboxes=boxes, scores=torch.full((len(boxes),), 0.9), similarities=similarities))
        return results

    def forward(self, inputs, data_samples=None, mode="tensor"):
        raise NotImplementedError


def mean_color(image, box):
    x1, y1, x2, y2 = box.round().int().tolist()
    return image[:, y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)].mean((1, 2))
