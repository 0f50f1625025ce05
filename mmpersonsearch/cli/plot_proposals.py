"""Plot the best proposals of the RPN and of the query-guided RPN (QRPN) for a query, side by side.

mmpersonsearch plot proposals qeeps_r50_prw-mini qeeps.pth --query 3 --out figures/proposals

The gallery images are the first that show the query's person, or those that --images names. Writes the figure as PNG
and SVG, and the boxes, xyxy in pixels of the images, with their IoU with the true box as JSON.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from matplotlib.figure import Figure
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox2roi, bbox_overlaps, scale_boxes
from mmengine.dataset import BaseDataset, pseudo_collate
from torch import Tensor, nn

from mmpersonsearch.apis import build_model
from mmpersonsearch.engine.pair_search_loop import with_query
from mmpersonsearch.evaluation.index.pairs import galleries_alone
from mmpersonsearch.models.dense_heads.qrpn import add_objectness
from mmpersonsearch.models.detectors import query_boxes
from mmpersonsearch.registry import DATASETS
from mmpersonsearch.structures import PairImages, SearchProtocol
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.visualization import ProposalRow, open_scene, plot_proposals, query_titles

from .command_line import (
    add_config,
    add_data_set,
    add_device,
    add_figure,
    check_figure,
    count,
    exit_on_bad_input,
    make_parser,
    positive,
    save_figure,
)
from .run_config import build_evaluation, choose_data_set, read_config_of


@torch.no_grad()
def propose(model: nn.Module, query: PairImages, gallery: PairImages, number: int) -> dict[str, Tensor]:
    """Compute the best proposals of a pair by the objectness of RPN, QRPN and both.

    Returns:
        By name at most (number, 4) boxes, best first, in pixels of the gallery's original image.
    """
    query_map, gallery_map = model.extract_pairs(query, gallery)
    rois = bbox2roi(query_boxes(query.data_samples, query_map))
    (logits,), (deltas,) = model.rpn_head((gallery_map,))
    own = model.qrpn(model.roi_head.bbox_roi_extractor((query_map,), rois), gallery_map)
    (sample,) = gallery.data_samples
    found = {}
    for name, one in {"RPN": logits, "QRPN": own, "RPN + QRPN": add_objectness(logits, own)}.items():
        (proposals,) = model.rpn_head.predict_by_feat([one], [deltas], batch_img_metas=[sample.metainfo])
        boxes = proposals.bboxes[proposals.scores.argsort(descending=True, stable=True)[:number]]
        found[name] = scale_boxes(boxes, [1 / s for s in sample.scale_factor]).cpu()
    return found


def choose_images(protocol: SearchProtocol, query_ind: int, wanted: list[str] | None, number: int) -> dict[int, Any]:
    """Return the gallery images to draw, with the true box where there is one.

    Raises:
        InputError: There is no such query, a wanted image is not in its gallery, or none shows its person.
    """
    if not 0 <= query_ind < len(protocol.queries):
        raise InputError(f"--query {query_ind}: the test split has queries 0 to {len(protocol.queries) - 1}")
    (gallery,) = galleries_alone(protocol, [protocol.main_gallery])
    pairs = slice(*gallery.pairs.offsets[query_ind : query_ind + 2].tolist())
    true = dict(zip(gallery.pairs.image_inds[pairs].tolist(), gallery.pairs.bboxes[pairs].numpy()))
    if wanted is None:
        if not true:
            raise InputError(f"--query {query_ind}: no image of its gallery shows its person; --images names others")
        return dict(list(true.items())[:number])
    listed = {str(protocol.images[i].img_id): i for i in gallery.image_lists(torch.tensor([query_ind]))[0] if i >= 0}
    if missing := [name for name in wanted if name not in listed]:
        raise InputError(f"--images {missing[0]}: not in the gallery of query {query_ind}")
    return {int(listed[name]): true.get(int(listed[name])) for name in wanted}


def draw(args: argparse.Namespace) -> tuple[Figure, dict[str, Any]]:
    """Return the figure and its numbers.

    Raises:
        FileNotFoundError: A file is missing.
        InputError: The model has no QRPN, or the arguments do not fit the test split.
    """
    config = read_config_of(args)
    choose_data_set(config, args.data_set)
    metric, _ = build_evaluation(config)
    protocol = metric.search_protocol()
    images = choose_images(protocol, args.query, args.images, args.num_images)
    model = build_model(config, args.checkpoint, args.device)
    if getattr(model, "qrpn", None) is None:
        raise InputError(f"{args.config}: model has no qrpn, expected a QEEPSDetector with one")
    dataset = DATASETS.build(config.test_dataloader.dataset)
    query, place = protocol.queries[args.query], protocol.image_index[protocol.queries[args.query].img_id]
    maps, sample = _read(model, dataset, place)
    side = PairImages(maps, [with_query(sample, args.query)])
    rows, numbers = [], {}
    for i, true in images.items():
        maps, sample = _read(model, dataset, i)
        found = propose(model, side, PairImages(maps, [sample]), args.number)
        name = str(protocol.images[i].img_id)
        numbers[name] = {key: _describe(boxes, true) for key, boxes in found.items()}
        boxes = {key: one.numpy() for key, one in found.items()}
        rows.append(ProposalRow(name, open_scene(dataset.img_path(protocol.images[i].img_id)), true, boxes))
    (title,) = query_titles(protocol, [args.query])
    figure = plot_proposals(title, open_scene(dataset.img_path(query.img_id)), query.bbox, rows)
    facts = dict(config=args.config, checkpoint=args.checkpoint, data=dict(protocol.data), query=args.query)
    return figure, {**facts, "images": numbers}


@torch.no_grad()
def _read(model: nn.Module, dataset: BaseDataset, index: int) -> tuple[Tensor, DetDataSample]:
    data = model.data_preprocessor(pseudo_collate([dataset[index]]))
    return model.extract_shared(data["inputs"]), data["data_samples"][0]


def _describe(boxes: Tensor, true: Any) -> dict[str, Any]:
    ious = None if true is None else bbox_overlaps(boxes.double(), torch.as_tensor(true)[None])[:, 0].tolist()
    return dict(bboxes=boxes.tolist(), ious=ious)


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("plot proposals", __doc__)
    add_config(parser)
    parser.add_argument("checkpoint", help="file or URL")
    add_data_set(parser)
    parser.add_argument("--query", type=count, default=0, metavar="INDEX", help="query, counted from 0 (0)")
    parser.add_argument("--images", nargs="+", metavar="IMAGE", help="img_ids of gallery images")
    parser.add_argument("--num-images", type=positive, default=3, help="gallery images, without --images (3)")
    parser.add_argument("--number", type=positive, default=10, help="proposals of each (10)")
    add_device(parser)
    add_figure(parser)
    args = parser.parse_args(argv)
    with exit_on_bad_input("mmpersonsearch plot proposals"):
        check_figure(args.out, args.checkpoint)
        figure, numbers = draw(args)
    save_figure(figure, numbers, args.out)
