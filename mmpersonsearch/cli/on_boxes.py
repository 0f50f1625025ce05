"""Evaluate the Re-ID of a model without its detection, on the true boxes or those of another model.

Models that embed RoIs before the box regression, such as OIM and I-Net, get the boxes as RoIs, as they get queries.

mmpersonsearch on-boxes tdn_r50ibn_prw tdn.pth
mmpersonsearch on-boxes tdn_r50ibn_prw tdn.pth --predictions two_step.pkl --out work_dirs/result.json
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import scale_boxes
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from rich.progress import track
from torch import nn

from mmpersonsearch.apis import build_model
from mmpersonsearch.evaluation.metrics import PairSearchMetric, PersonSearchMetric
from mmpersonsearch.evaluation.predictions import read_predictions
from mmpersonsearch.evaluation.provenance import describe_model, describe_versions
from mmpersonsearch.models.detectors import query_boxes
from mmpersonsearch.structures import SearchProtocol
from mmpersonsearch.utils.files import check_out

from .command_line import add_config, add_data_set, add_device, exit_on_bad_input, make_parser, write_json
from .run_config import build_evaluation, choose_data_set, read_config_of, score_threshold

Boxes = Mapping[str | int, InstanceData]


def given_boxes(protocol: SearchProtocol, predictions: str | None, det_thr: float | None = None) -> Boxes:
    """Return by image the boxes of predictions, by default the true ones, with scores of 1.

    They are ``bboxes`` (n, 4) xyxy in pixels of the original image and ``scores`` (n,). For errors, see
    :func:`read_predictions`.
    """
    if predictions is not None:
        found = read_predictions(predictions, protocol, det_thr=det_thr).detections
        instances = [InstanceData(bboxes=image.bboxes, scores=image.scores) for image in found]
    else:
        boxes = [torch.as_tensor(scene.bboxes, dtype=torch.float32) for scene in protocol.images]
        instances = [InstanceData(bboxes=b, scores=torch.ones(len(b))) for b in boxes]
    return {scene.img_id: given for scene, given in zip(protocol.images, instances)}


@torch.no_grad()
def embed(model: nn.Module, batch: dict[str, Any], boxes: Boxes) -> list[DetDataSample]:
    """Embed the boxes and queries of a batch, and return its samples; ``pred_instances`` are the given boxes."""
    data = model.data_preprocessor(batch)
    images, samples = data["inputs"], data["data_samples"]
    given = [boxes[sample.img_id] for sample in samples]
    in_input = [scale_boxes(one.bboxes.to(images), sample.scale_factor) for one, sample in zip(given, samples)]
    queries = query_boxes(samples, images)
    feats = model.embed(images, [torch.cat(pair) for pair in zip(in_input, queries)])
    for sample, one, of_image in zip(samples, given, feats):
        number = len(one.bboxes)
        sample.pred_instances = InstanceData(bboxes=one.bboxes, scores=one.scores, reid_feats=of_image[:number].cpu())
        sample.query_instances.reid_feats = of_image[number:]
    return samples


def evaluate(
    args: argparse.Namespace, config: Config, model: nn.Module, metric: PersonSearchMetric, boxes: Boxes
) -> dict[str, Any]:
    """Return the metrics with records of the boxes, the model, the versions and the protocol."""
    with DefaultScope.overwrite_default_scope(config.default_scope):
        loader = Runner.build_dataloader(config.test_dataloader)
    for batch in track(loader, description="embedding"):
        metric.process(batch, [sample.to_dict() for sample in embed(model, batch, boxes)])
    metrics = metric.evaluate(len(loader.dataset))
    records = {
        "boxes": args.predictions or "true",
        "model": describe_model(config.to_dict(), args.config, args.checkpoint, score_threshold(config)),
        "versions": describe_versions(),
        "protocol": metric.protocol_record,
    }
    return {**{name: float(value) for name, value in metrics.items()}, **records}


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("on-boxes", __doc__)
    add_config(parser)
    add_data_set(parser)
    parser.add_argument("checkpoint", help="file or URL")
    parser.add_argument("--predictions", metavar="PREDICTIONS.pkl", help="embed these boxes, not the true ones")
    parser.add_argument("--out", metavar="RESULT.json", help="write the metrics to this file")
    add_device(parser)
    args = parser.parse_args(argv)
    with exit_on_bad_input("mmpersonsearch on-boxes"):
        check_out(args.out, args.checkpoint, *filter(None, [args.predictions]), suffixes=(".json",))
        config = read_config_of(args)
        choose_data_set(config, args.data_set)
        metric, _ = build_evaluation(config)
        if isinstance(metric, PairSearchMetric):  # the boxes are given: the embeddings search alone
            metric = metric.of_embeddings()
        boxes = given_boxes(metric.search_protocol(), args.predictions, metric.det_thr)
        model = build_model(config, args.checkpoint, args.device)
    write_json(args.out, evaluate(args, config, model, metric, boxes))
