"""Draw queries beside their best matches, from the predictions that ``tools/test.py --out`` has written."""

import argparse
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import torch
from mmengine.config import DictAction
from mmengine.structures import InstanceData
from PIL import Image

from mmpersonsearch.evaluation import RankingWithContextPersons, rank_gallery
from mmpersonsearch.registry import DATASETS
from mmpersonsearch.structures import SearchProtocol
from mmpersonsearch.utils.run_config import read_config
from mmpersonsearch.visualization import draw_ranking


def read_predictions(path: str, protocol: SearchProtocol) -> tuple[list[InstanceData], torch.Tensor]:
    """Read a file of ``DumpPredictions`` (a pickle: open only your own).

    Args:
        path: The file.
        protocol: Of the test split that was predicted.

    Returns:
        One ``InstanceData`` an image of the protocol, in its order, and (Q, D) embeddings of the queries.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: Images of the protocol are not in it, or queries have no embedding.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"predictions {path} do not exist (tools/test.py ... --out {path} writes them)")
    images = pickle.loads(Path(path).read_bytes())
    missing = [scene.img_id for scene in protocol.images if scene.img_id not in images]
    if missing:
        raise ValueError(
            f"{path}: {len(missing)} of the test split's {len(protocol.images)} images are not in it, the first is "
            f"{missing[0]!r}; was it written for this data set?"
        )
    found = [images[scene.img_id] for scene in protocol.images]
    feats = {i: f for image in found for i, f in zip(image.get("query_ids", ()), image.get("query_feats", ()))}
    if set(feats) != set(range(len(protocol.queries))):
        raise ValueError(f"{path}: {len(feats)} query embeddings, the test split has {len(protocol.queries)} queries")
    detections = [
        InstanceData(**{name: torch.from_numpy(image[name]) for name in ("bboxes", "scores", "reid_feats")})
        for image in found
    ]
    return detections, torch.from_numpy(np.stack([feats[i] for i in range(len(feats))]))


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("config", help="the config that was tested")
    parser.add_argument("predictions", help="what tools/test.py --out has written")
    parser.add_argument("--out", default="ranking.png", help="picture to write")
    parser.add_argument("--num-queries", type=int, default=8, help="rows, evenly spread over the queries")
    parser.add_argument("--topk", type=int, default=5, help="matches of a query")
    parser.add_argument("--rcp", action="store_true", help="rank with context persons")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        config = read_config(args.config, args.cfg_options)
        dataset = DATASETS.build({**config.test_dataloader.dataset, "pipeline": []})
        protocol = dataset.metainfo["search_protocol"]
        detections, query_feats = read_predictions(args.predictions, protocol)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"show_ranking.py: {error}")
    number = min(args.num_queries, len(protocol.queries))
    rankings = rank_gallery(
        protocol,
        detections,
        query_feats,
        np.linspace(0, len(protocol.queries) - 1, number).round().astype(int).tolist(),
        k=args.topk,
        det_thr=config.test_evaluator.get("det_thr", 0.5),
        ranking=RankingWithContextPersons() if args.rcp else None,
    )
    draw_ranking(protocol, rankings, lambda img_id: Image.open(dataset.img_path(img_id)), args.out)
    print(f"{number} queries with their {args.topk} best matches: {args.out}")


if __name__ == "__main__":
    main()
