"""Search results of fixed embeddings on the true boxes of a set in PRW's layout: random, colors, a Re-ID model."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from mmdet.structures import ReIDDataSample
from mmengine.registry import DefaultScope

from mmpersonsearch.cli.command_line import exit_on_bad_input
from mmpersonsearch.cli.run_config import read_config
from mmpersonsearch.datasets import PRWDataset
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.checkpoint import load_checkpoint_file, load_strictly

from .fixed_embeddings import Embedding, color_histogram, measure, random_embedding, stripe_histogram

PROG = "python -m projects.synthetic_benchmark.run.baselines"


def reid_embedding(config: str, checkpoint: str) -> Embedding:
    """The embedding of a trained Re-ID model, such as ``reid/bot_r18ibn_synth.py``'s.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: The checkpoint does not fit the model.
    """
    cfg = read_config(config)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model).eval()
    load_strictly(model, load_checkpoint_file(checkpoint), checkpoint, allow_unexpected=True)

    @torch.no_grad()
    def embed(crop: np.ndarray) -> np.ndarray:
        image = torch.from_numpy(crop[..., ::-1].copy()).permute(2, 0, 1)  # the preprocessor takes BGR
        inputs = model.data_preprocessor(dict(inputs=[image], data_samples=[ReIDDataSample()]))["inputs"]
        return torch.nn.functional.normalize(model(inputs, mode="tensor"))[0].numpy()

    return embed


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog=PROG, description=__doc__)
    parser.add_argument("root", type=Path, help="folder of the set")
    parser.add_argument("--seed", type=int, default=0, help="of the random embedding")
    parser.add_argument("--reid", nargs=2, metavar=("CONFIG", "CHECKPOINT"), help="a trained Re-ID model too")
    args = parser.parse_args(argv)
    with exit_on_bad_input(PROG):
        dataset = PRWDataset(data_root=str(args.root), split="test")
        reid = {Path(args.reid[0]).stem: reid_embedding(*args.reid)} if args.reid else {}
    embeddings = {
        "random": random_embedding(args.seed),
        "color histogram": color_histogram,
        "six-stripe histogram": stripe_histogram,
        **reid,
    }
    print(f"{'true boxes':<22}{'mAP':>7}{'top-1':>7}")
    for name, embed in embeddings.items():
        mean_ap, top1 = measure(dataset, embed)
        print(f"{name:<22}{100 * mean_ap:7.1f}{100 * top1:7.1f}")


if __name__ == "__main__":
    main()
