"""What two exported networks, a detector and a Re-ID model, reach on the frames without training.

python -m projects.pets09.run.exported yolox_nano_coco.onnx osnet_x0_25_msmt17.onnx [--tiles 2 2] [--every 1]

Detection; Re-ID on true boxes, where each box is a query and its gallery are the boxes of all other tracks; search by
the data set's queries on the model's own detections.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.structures import InstanceData
from rich.progress import track
from torch import Tensor, nn

from mmpersonsearch.apis import build_model
from mmpersonsearch.cli.command_line import exit_on_bad_input, positive, print_table, read_variable
from mmpersonsearch.evaluation import (
    RankingWithContextPersons,
    ReIDImages,
    evaluate_detections,
    evaluate_reid,
    evaluate_search,
)
from mmpersonsearch.registry import DATASETS
from mmpersonsearch.utils.config_files import find_config

PROG = "python -m projects.pets09.run.exported"
CONFIG = "two-step_exported"


def build_frames(root: Path) -> Any:
    """Build the data set of all frames, with its 19 queries, as the config's pipeline gives them to the model."""
    config = Config.fromfile(find_config(CONFIG)).test_dataloader.dataset
    config.update(data_root=str(root), ann_file="all.json", query_file="all_queries.json")
    return DATASETS.build(config)


class Embedder:
    """A model on the frames, whose true boxes are embedded with the detections."""

    def __init__(self, model: nn.Module, dataset: Any) -> None:
        self.model, self.dataset = model, dataset

    @torch.no_grad()
    def search(self, frame: int) -> tuple[InstanceData, InstanceData]:
        """Return the detections and the queries of a frame, given by its place in the data set."""
        data = self.model.data_preprocessor(pseudo_collate([self.dataset[frame]]))
        (sample,) = self.model.predict(data["inputs"], data["data_samples"])
        return sample.pred_instances, sample.query_instances

    @torch.no_grad()
    def embed(self, frame: int, bboxes: np.ndarray) -> Tensor:
        """Embed (n, 4) boxes of a frame, xyxy in pixels: (n, D)."""
        data = self.model.data_preprocessor(pseudo_collate([self.dataset[frame]]))
        return self.model.embed(data["inputs"], [torch.tensor(bboxes).float()])[0]


def measure_across_tracks(feats: np.ndarray, persons: np.ndarray, tracks: np.ndarray) -> tuple[float, float, int]:
    """Rank all boxes of other tracks by (n, D) embeddings for each box of a person.

    Returns:
        mAP, fraction of first ones of the same person, and number of queries: boxes whose person another track shows.
    """
    boxes = ReIDImages(torch.as_tensor(feats), persons, tracks)  # tracks in place of cameras
    queries = ReIDImages(boxes.feats[persons >= 0], persons[persons >= 0], tracks[persons >= 0])
    result = evaluate_reid(queries, boxes, topk=(1,))
    return result.mAP, result.topk[1], len(queries.feats) - result.num_skipped


def read_tracks(root: Path, only_clear: bool) -> list[dict]:
    """Read the annotated boxes of all tracks; with ``only_clear``, 12 boxes of each that is not a person's only one.

    These 12 are evenly spaced over the boxes that nobody else overlaps, as the annotation's ``occluded`` tells.
    """
    boxes = [box for box in json.loads((root / "all.json").read_text())["annotations"] if box["track_id"] > 0]
    if not only_clear:
        return boxes
    tracks: dict[tuple[int, int], list[dict]] = {}
    for box in boxes:
        tracks.setdefault((box["person_id"], box["track_id"]), []).append(box)
    number = Counter(person for person, _ in tracks)
    chosen = []
    for (person, _), of_track in tracks.items():
        clear = [box for box in of_track if not box["occluded"]] if number[person] > 1 else []
        if clear:
            chosen += [clear[i] for i in np.unique(np.linspace(0, len(clear) - 1, 12).round().astype(int))]
    return chosen


def measure_reid(embedder: Embedder, boxes: list[dict]) -> tuple[float, float, int]:
    """Embed annotated boxes and measure Re-ID; see :func:`measure_across_tracks`."""
    by_image: dict[int, list[dict]] = {}
    for box in boxes:
        by_image.setdefault(box["image_id"], []).append(box)
    place = embedder.dataset.metainfo["search_protocol"].image_index
    feats = []
    for image, of_image in track(by_image.items(), description="Re-ID"):
        bboxes = np.array([box["bbox"] for box in of_image])
        bboxes[:, 2:] += bboxes[:, :2]
        feats.append(embedder.embed(place[image], bboxes).numpy())
    ordered = [box for of_image in by_image.values() for box in of_image]
    persons, tracks = (np.array([box[key] for box in ordered]) for key in ("person_id", "track_id"))
    return measure_across_tracks(np.concatenate(feats), persons, tracks)


def measure(model: nn.Module, root: Path, every: int = 1) -> dict[str, float]:
    """Return all metrics as fractions; with ``every`` > 1, the detector's are of each n-th frame, and no search."""
    dataset = build_frames(root)
    protocol, embedder = dataset.metainfo["search_protocol"], Embedder(model, dataset)
    frames = range(0, len(dataset), every)
    detections, queries = zip(*map(embedder.search, track(frames, description="frames")))
    found = evaluate_detections([protocol.images[i].bboxes for i in frames], detections, det_thr=0.25)
    metrics = {
        "frames": len(frames),
        "recall": found.recall,
        "precision": found.recall * found.num_persons / max(1, found.num_detections),
        "AP": found.ap,
    }
    for name, only_clear in {"clear boxes": True, "all boxes": False}.items():
        if only_clear or every == 1:
            mean_ap, rank1, number = measure_reid(embedder, read_tracks(root, only_clear))
            metrics |= {f"{name}": number, f"{name}: Re-ID rank-1": rank1, f"{name}: Re-ID mAP": mean_ap}
    if every > 1:
        return metrics
    queries = InstanceData.cat(list(queries))
    query_feats = queries.reid_feats[queries.query_ids.argsort()]
    for name, ranking in (("", None), (" by RCP", RankingWithContextPersons())):
        result = evaluate_search(protocol, detections, query_feats, det_thr=0.25, topk=(1,), ranking=ranking)
        metrics |= {f"search mAP{name}": result.mAP, f"search top-1{name}": result.topk[1]}
    return metrics


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog=PROG, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("detector", metavar="YOLOX.onnx", help="an exported YOLOX")
    parser.add_argument("reid", metavar="REID.onnx", help="an exported Re-ID model")
    parser.add_argument("--tiles", type=positive, nargs=2, default=(2, 2), metavar=("COLUMNS", "ROWS"))
    parser.add_argument("--every", type=positive, default=1, help="of the frames; 1: all, and the search")
    args = parser.parse_args(argv)
    root = Path(read_variable("PETS09_ROOT", "data/pets09/"))
    with exit_on_bad_input(PROG):
        model = build_model(CONFIG, cfg_options={"model.tiles": tuple(args.tiles)})
        model.load_parts(args.detector, args.reid)
        metrics = measure(model, root, args.every)
    print_table(f"Tiles {args.tiles[0]} x {args.tiles[1]}", ("", "value"), list(metrics.items()))


if __name__ == "__main__":
    main()
